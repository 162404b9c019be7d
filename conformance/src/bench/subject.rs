//! Who is measured, and the limits that are started like them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::link::Launch;
use super::programs::{Program, this};
use crate::error::{Error, Result};
use crate::subject::launch::Stage;
use crate::target::{Claim, Target};

/// A function or a driver, in one of its modes and encodings.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) launch: Launch,
    pub(super) target: Target,
    /// Whether it has to send back its event.
    pub(super) echoes: bool,
}

impl Measured {
    pub(super) fn new(claim: &Claim, target: Target, echoes: bool, patience: Duration) -> Measured {
        Measured {
            launch: Launch {
                name: claim.name.clone(),
                stages: claim.stages.clone(),
                env: claim.environment(target),
                patience,
            },
            target,
            echoes,
        }
    }
}

/// One of this program's own, started like the subject.
pub(super) fn limit(like: &Measured, program: Program) -> Result<Launch> {
    Ok(Launch {
        name: "the suite's echo".to_owned(),
        stages: vec![stage(program)?],
        ..like.launch.clone()
    })
}

/// The least that is worth starting and sends back what it gets: `cat`, which every system has. This
/// program does the same and is larger.
pub(super) fn smallest(like: &Measured) -> Result<Launch> {
    let cat = Stage::resolve(
        vec!["cat".to_owned()],
        crate::claimed::current_folder()?,
        BTreeMap::new(),
    );
    match cat {
        Ok(cat) => Ok(Launch {
            name: "cat".to_owned(),
            stages: vec![cat],
            ..like.launch.clone()
        }),
        Err(_) => limit(like, Program::Pass),
    }
}

/// The stage of one of this program's own.
pub(super) fn stage(program: Program) -> Result<Stage> {
    let this = this().map_err(|e| {
        Error::not_judged(
            format!("the suite does not find itself: {e}"),
            "start it by the path of its file",
        )
    })?;
    let name = this.to_string_lossy().into_owned();
    let argv = std::iter::once(name).chain(program.arguments()).collect();
    Stage::resolve(argv, crate::claimed::current_folder()?, BTreeMap::new())
}
