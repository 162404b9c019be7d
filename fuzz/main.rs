//! All fuzz targets. The variable `FUZZ_TARGET` names the one that is run; without it they are listed.
#![no_main]

use std::sync::LazyLock;

/// A target's name, and what is done with the fuzzer's bytes.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [&[Target]; 4] = [
    libfaas_fuzz::TARGETS,
    faas_adapters_fuzz::TARGETS,
    faas_conformance_fuzz::TARGETS,
    faas_runtime_fuzz::TARGETS,
];

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").ok();
    let mut targets = TARGETS.into_iter().flatten();
    let Some(wanted) = wanted else {
        targets.for_each(|(name, _)| println!("{name}"));
        std::process::exit(0);
    };
    match targets.find(|(name, _)| *name == wanted) {
        Some((_, run)) => *run,
        None => {
            eprintln!(
                "expected FUZZ_TARGET to name a target, got {wanted}; run this without it to see them all"
            );
            std::process::exit(2);
        }
    }
});

libfuzzer_sys::fuzz_target!(init: LazyLock::force(&RUN), |bytes: &[u8]| RUN(bytes));
