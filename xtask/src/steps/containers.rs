//! The container engine and the images of one run, each asked once, and only if needed.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{anyhow, bail};
use clap::Args;
use xtask_core::plan::Target;

use crate::ops::container::{Engine, Limits, Toolchain};

/// Arguments that every command with containers takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ContainerArgs {
    /// Build in this image instead of the plan's; refused under --strict
    #[arg(long, value_name = "IMAGE", env = "XTASK_IMAGE")]
    pub(crate) image: Option<String>,
    /// Smoke-test in this image too, on one platform or on all for Linux; may be given several times
    #[arg(long = "userland", value_name = "[PLATFORM=]IMAGE")]
    pub(crate) userlands: Vec<String>,
    /// Processors that a container may use, such as `1.5`
    #[arg(long, value_name = "NUMBER")]
    container_cpus: Option<String>,
    /// Memory that a container may use, such as `4g`
    #[arg(long, value_name = "SIZE")]
    container_memory: Option<String>,
}

impl ContainerArgs {
    /// The same as arguments, for another run of the xtask.
    pub(crate) fn to_args(&self) -> Vec<String> {
        let options = [
            ("--image", &self.image),
            ("--container-cpus", &self.container_cpus),
            ("--container-memory", &self.container_memory),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let userlands = self.userlands.iter().map(|image| ("--userland", image));
        given.chain(userlands).flat_map(|(name, value)| [name.to_owned(), value.clone()]).collect()
    }
}

/// What is known about the engine and its images. Shared by the threads of a run.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    args: ContainerArgs,
    engine: OnceLock<Result<Engine, String>>,
    toolchains: Mutex<Vec<(String, &'static str, Arc<Toolchain>)>>,
}

impl Containers {
    pub(crate) fn new(args: &ContainerArgs) -> Self {
        Self { args: args.clone(), ..Self::default() }
    }

    /// The engine.
    pub(crate) fn engine(&self) -> anyhow::Result<&Engine> {
        let found = self.engine.get_or_init(|| Engine::detect().map_err(|e| format!("{e:#}")));
        found.as_ref().map_err(|reason| anyhow!("{reason}"))
    }

    pub(crate) fn limits(&self) -> Limits {
        let args = &self.args;
        Limits { cpus: args.container_cpus.clone(), memory: args.container_memory.clone() }
    }

    /// The images that were asked for to run a target's assets in.
    pub(crate) fn userlands(&self, target: &Target) -> Vec<&str> {
        let for_target = |wanted: &'_ String| match wanted.split_once('=') {
            Some((platform, _)) => platform == target.platform,
            None => true,
        };
        let wanted = self.args.userlands.iter().filter(|wanted| for_target(wanted));
        wanted
            .map(|wanted| wanted.split_once('=').map_or(wanted.as_str(), |(_, image)| image))
            .collect()
    }

    /// The image that was asked for instead of the plan's.
    pub(crate) fn other_image(&self) -> Option<&str> {
        self.args.image.as_deref()
    }

    /// The toolchain that builds for a target.
    ///
    /// # Errors
    /// When there is no engine, no image, no toolchain in it, or one that cannot build for the target.
    pub(crate) fn toolchain(&self, target: &Target) -> anyhow::Result<Arc<Toolchain>> {
        let Some(image) = self.other_image().or(target.image.as_deref()) else {
            bail!("`{}` has no image to build in", target.platform);
        };
        let triple = target.triple.name;
        let mut known = self.toolchains.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., found)) = known.iter().find(|(i, t, _)| i == image && *t == triple) {
            return Ok(Arc::clone(found));
        }
        let engine = self.engine()?;
        let here = engine.image(image)?;
        if here.arch != target.triple.goarch {
            bail!(
                "the image `{image}` is for {}, and {} is built on its own architecture, as on the runner {}",
                here.arch,
                target.platform,
                target.runner
            );
        }
        let toolchain = engine.toolchain(here, triple)?;
        if !toolchain.has_std {
            bail!(
                "{} in the image `{image}` has no standard library for {triple}",
                toolchain.rustc
            );
        }
        let toolchain = Arc::new(toolchain);
        known.push((image.to_owned(), triple, Arc::clone(&toolchain)));
        Ok(toolchain)
    }
}
