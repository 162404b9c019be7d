//! VMware.

pub(crate) mod horizon;
pub(crate) mod vcloud;
mod vcloud_xml;
pub(crate) mod vsphere;
