//! What a case gives a runtime to start: the recorder with its manifests, in a folder of its own,
//! and what the recorder must not be able to reach.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libfaas::Mode;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::lure::Lures;
use crate::target::Target;

/// The tenants of a case; calls that name none are for the first.
const TENANTS: [&str; 4] = ["main", "north", "south", "unlucky"];

fn tenant(name: &str, mark: &str) -> String {
    format!("{name}-{mark}")
}

/// The recorder's file beside every manifest.
const RECORDER: &str = "faas-recorder";

/// The table `function` of a case, and those of `revisions`: what differs from the plain recorder.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct Function {
    /// Steps that the recorder does before its hello, as JSON.
    pub init: Option<Value>,
    /// Arguments behind the recorder's own.
    pub arguments: Vec<String>,
    /// The stages of a pipeline, each with an `init`, `arguments` and `encodings` of its own.
    pub stages: Vec<Function>,
    /// The manifest as it stands, in YAML, instead of one that is made.
    pub text: Option<String>,
    /// Bytes of comments behind `text`.
    pub pad: usize,
    /// Whether a copy of the recorder with the set-user-ID bit lies beside it.
    pub set_uid: bool,
    /// Members of the manifest; `"$absent"` takes one out.
    pub members: BTreeMap<String, Value>,
}

impl TryFrom<toml::Table> for Function {
    type Error = String;

    fn try_from(table: toml::Table) -> Result<Self, String> {
        let mut function = Function::default();
        for (name, value) in table {
            let of_name = |e: toml::de::Error| format!("`{name}`: {}", e.to_string().trim_end());
            match name.as_str() {
                "init" => {
                    let text = value.as_str().ok_or("`init` is JSON in a string")?;
                    let steps = serde_json::from_str(text);
                    function.init = Some(steps.map_err(|e| format!("`init`: {e}"))?);
                }
                "arguments" => function.arguments = value.try_into().map_err(of_name)?,
                "stages" => function.stages = value.try_into().map_err(of_name)?,
                "text" => function.text = Some(value.try_into().map_err(of_name)?),
                "pad" => function.pad = value.try_into().map_err(of_name)?,
                "set-uid" => function.set_uid = value.try_into().map_err(of_name)?,
                _ => {
                    let json = serde_json::to_value(&value).map_err(|e| e.to_string())?;
                    function.members.insert(name, json);
                }
            }
        }
        Ok(function)
    }
}

/// What all cases of a run share: one copy of the recorder, in a place that any user can read.
#[derive(Debug)]
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    /// Copies the recorder, which lies beside the suite's own program.
    pub fn new() -> Result<Bench> {
        let program = std::env::current_exe().map_err(|e| unprepared("the suite's path", &e))?;
        let recorder = program.with_file_name(RECORDER);
        if !recorder.is_file() {
            return Err(Error::not_judged(
                format!(
                    "the recorder is not where it should be: {}",
                    recorder.display()
                ),
                "it is built and installed with the suite: `cargo install --path conformance`, or `cargo build -p faas-conformance`",
            ));
        }
        let bench = || -> io::Result<Bench> {
            let folder = tempfile::Builder::new().prefix("faas-suite-").tempdir()?;
            open_to_all(folder.path(), 0o755)?;
            let copy = folder.path().join(RECORDER);
            fs::copy(&recorder, &copy)?;
            open_to_all(&copy, 0o755)?;
            Ok(Bench { folder })
        };
        bench().map_err(|e| unprepared("a folder for the recorder", &e))
    }

    /// Puts a case's functions into folders of their own.
    pub fn deploy(
        &self,
        function: &Function,
        revisions: &BTreeMap<String, Function>,
        target: Target,
        mark: String,
    ) -> io::Result<Deployment> {
        let folder = tempfile::Builder::new()
            .prefix("case-")
            .tempdir_in(self.folder.path())?;
        open_to_all(folder.path(), 0o755)?;
        let mut deployment = Deployment {
            lures: Lures::new(folder.path())?,
            folder,
            manifests: BTreeMap::new(),
            mark,
        };
        let all = revisions.iter().map(|(name, f)| (name.as_str(), f));
        for (name, function) in all.chain([("", function)]) {
            let manifest = self.put(&deployment, name, function, target)?;
            deployment.manifests.insert(name.to_owned(), manifest);
        }
        Ok(deployment)
    }

    fn put(
        &self,
        deployment: &Deployment,
        name: &str,
        function: &Function,
        target: Target,
    ) -> io::Result<PathBuf> {
        let folder = deployment.folder.path().join(match name {
            "" => "function".to_owned(),
            name => format!("function-{name}"),
        });
        fs::create_dir(&folder)?;
        open_to_all(&folder, 0o755)?;
        let shared = self.folder.path().join(RECORDER);
        fs::hard_link(&shared, folder.join(RECORDER))?;
        if function.set_uid {
            let copy = folder.join("set-uid");
            fs::copy(&shared, &copy)?;
            open_to_all(&copy, 0o4755)?;
        }
        let (file, text) = match &function.text {
            Some(text) => {
                let comment = "# padding\n".repeat(function.pad / 10);
                ("function.yaml", format!("{text}{comment}"))
            }
            None => (
                "function.json",
                manifest(function, target, &deployment.mark).to_string(),
            ),
        };
        let file = folder.join(file);
        fs::write(&file, text)?;
        open_to_all(&file, 0o644)?;
        Ok(file)
    }
}

/// The recorder's manifest for a case.
fn manifest(function: &Function, target: Target, mark: &str) -> Value {
    let command = |stage: &Function, number: usize| {
        let mut words = vec![format!("./{RECORDER}"), format!("--mark={mark}")];
        words.extend((number > 0).then(|| format!("--stage={number}")));
        let init = stage.init.as_ref().map(|init| {
            let mut text = init.to_string();
            for name in TENANTS {
                text = text.replace(&format!("$tenant:{name}"), &tenant(name, mark));
            }
            format!("--init={text}")
        });
        words.extend(init);
        words.extend(stage.arguments.iter().cloned());
        words
    };
    let mut manifest = json!({
        "fsi": "1.0",
        "name": "recorder",
        "modes": [target.mode.name()],
        "features": ["chunks"],
    });
    if target.mode == Mode::Binary {
        // Else the data of a result would be bytes of no known type.
        manifest["produces"] =
            json!([{ "type": "fsi.recorder.result", "datacontenttype": "application/json" }]);
    } else {
        manifest["encodings"] = json!([target.encoding.name()]);
    }
    if function.stages.is_empty() {
        manifest["command"] = command(function, 0).into();
    } else {
        let stage = |(n, stage): (usize, &Function)| match stage.members.get("encodings") {
            Some(own) => json!({ "command": command(stage, n + 1), "encodings": own }),
            None => command(stage, n + 1).into(),
        };
        manifest["pipeline"] = function.stages.iter().enumerate().map(stage).collect();
    }
    let members = manifest.as_object_mut().expect("it is one");
    for (name, value) in &function.members {
        match value.as_str() {
            Some("$absent") => drop(members.remove(name)),
            _ => drop(members.insert(name.clone(), value.clone())),
        }
    }
    manifest
}

/// A case's functions, and their surroundings. Dropping it removes both.
#[derive(Debug)]
pub struct Deployment {
    folder: TempDir,
    /// The path of each manifest; the function's own by the empty name.
    manifests: BTreeMap<String, PathBuf>,
    /// Stands in the command line of every process of the recorder in this case, and in nothing else.
    pub mark: String,
    /// What the function must not reach.
    pub lures: Lures,
}

impl Deployment {
    /// The path of a manifest.
    pub fn manifest(&self, name: &str) -> Option<&Path> {
        self.manifests.get(name).map(PathBuf::as_path)
    }

    /// What the driver's environment has beyond the contract's: something that a function must not see.
    pub fn environment(&self) -> BTreeMap<String, String> {
        [
            ("FSI_SUITE_CANARY".to_owned(), self.mark.clone()),
            ("FAAS_TENANT".to_owned(), self.tenant("main")),
        ]
        .into()
    }

    /// The name of a tenant, which no other case has: one runtime may serve all of them at once.
    pub fn tenant(&self, name: &str) -> String {
        tenant(name, &self.mark)
    }

    /// What the placeholders of a case stand for.
    pub fn facts(&self) -> BTreeMap<String, Value> {
        let path = |path: &Path| Value::from(path.to_string_lossy());
        let mut facts = self.lures.facts();
        for (name, manifest) in &self.manifests {
            let (file, folder) = match name.as_str() {
                "" => ("manifest".to_owned(), "folder".to_owned()),
                name => (format!("manifest:{name}"), format!("folder:{name}")),
            };
            facts.insert(file, path(manifest));
            facts.insert(
                folder,
                path(manifest.parent().expect("it lies in a folder")),
            );
        }
        for name in TENANTS {
            facts.insert(format!("tenant:{name}"), self.tenant(name).into());
        }
        facts.insert("mark".to_owned(), self.mark.clone().into());
        facts
    }
}

/// Sets a mode whatever the umask.
pub(crate) fn open_to_all(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn unprepared(what: &str, e: &io::Error) -> Error {
    Error::not_judged(
        format!("{what} can't be prepared: {e}"),
        "the suite needs a folder for temporary files (TMPDIR) that it can write to",
    )
}
