//! What all experiments have in common: a design in a TOML file, a folder for what a run leaves
//! behind, the machine it ran on, and checks that decide whether it went as it should.

mod checks;
mod design;
mod folder;
mod manifest;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

pub use self::checks::Checks;
pub use self::design::{Design, Factors, Time};
pub use self::folder::{Folder, as_seen_from_here};
pub use self::manifest::Manifest;
pub(crate) use self::manifest::{kibibytes, proc_value};
use crate::programs::{Programs, root};
use crate::{beyond_capacity, faults, generator, ground, heal, rolling_kill, stopped_neighbour};

/// An experiment, by the name that the command line has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
    /// What it costs to bring a herd together again.
    Heal,
    /// What a server that is stopped costs the others.
    StoppedNeighbour,
    /// Killing one server after the other under load.
    RollingKill,
    /// Networks, disks, processes and services that fail, one after the other.
    Faults,
    /// What the load generator itself costs, and how fast it can be.
    Generator,
    /// What an open and a closed loop say of a server that is asked for more than it can do.
    BeyondCapacity,
    /// How fast and how small it all is, beside other programs.
    Ground,
}

/// What every experiment is run with.
#[derive(Debug)]
pub struct Surroundings {
    /// The workspace's programs.
    pub programs: Programs,
    /// Whether to run a small version of it, for minutes.
    pub quick: bool,
}

impl Experiment {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 7] = [
        Self::Heal,
        Self::StoppedNeighbour,
        Self::RollingKill,
        Self::Faults,
        Self::Generator,
        Self::BeyondCapacity,
        Self::Ground,
    ];

    /// Its name on the command line, of its TOML file and of its folders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heal => "heal",
            Self::StoppedNeighbour => "stopped-neighbour",
            Self::RollingKill => "rolling-kill",
            Self::Faults => "faults",
            Self::Generator => "generator",
            Self::BeyondCapacity => "beyond-capacity",
            Self::Ground => "ground",
        }
    }

    /// Where its design is.
    #[must_use]
    pub fn design_file(self) -> PathBuf {
        root().join("experiments").join(format!("{}.toml", self.name()))
    }

    /// Runs it, prints its table, and says whether all its checks hold.
    ///
    /// # Errors
    /// If it could not be run to its end.
    pub async fn run(self, surroundings: &Surroundings) -> anyhow::Result<bool> {
        match self {
            Self::Heal => heal::run(surroundings).await,
            Self::StoppedNeighbour => stopped_neighbour::run(surroundings).await,
            Self::RollingKill => rolling_kill::run(surroundings).await,
            Self::Faults => faults::run(surroundings).await,
            Self::Generator => generator::run(surroundings).await,
            Self::BeyondCapacity => beyond_capacity::run(surroundings).await,
            Self::Ground => ground::run(surroundings).await,
        }
    }
}

/// An experiment's result, as it is kept.
#[derive(Debug, Serialize)]
pub struct Outcome<'a, F, T> {
    /// Always `herd-experiment`.
    pub format: &'static str,
    /// Changes when a field changes its meaning or goes away.
    pub version: u32,
    /// Which experiment.
    pub experiment: &'static str,
    /// Whether it was the small version.
    pub quick: bool,
    /// What was to be shown, and how.
    pub design: &'a Design<F>,
    /// The machine and the program.
    pub machine: &'a Manifest,
    /// What each trial has shown.
    pub trials: &'a [T],
    /// What had to hold, and whether it did.
    pub checks: &'a Checks,
}

/// The version of [`Outcome`].
pub const VERSION: u32 = 1;

/// A run under way: its design, its folder and its machine.
#[derive(Debug)]
pub struct Run<F> {
    /// Which experiment.
    pub experiment: Experiment,
    /// Whether it is the small version.
    pub quick: bool,
    /// What is to be shown, and how.
    pub design: Design<F>,
    /// Where everything goes.
    pub folder: Folder,
    machine: Manifest,
}

impl<F: Factors + Serialize> Run<F> {
    /// Reads the design and makes the folder.
    ///
    /// # Errors
    /// If the design has mistakes, or the folder cannot be made.
    pub fn begin(experiment: Experiment, quick: bool) -> anyhow::Result<Self> {
        let design = Design::read(&experiment.design_file(), quick)?;
        let folder = Folder::new(experiment.name())?;
        let machine = Manifest::of_this_machine();
        folder.write_json("manifest.json", &machine)?;
        let suffix = if quick { ", quick" } else { "" };
        eprintln!("{}{suffix}: {}", experiment.name(), design.hypothesis);
        Ok(Self { experiment, quick, design, folder, machine })
    }

    /// Runs all trials, each with its seed and a folder of its own.
    ///
    /// # Errors
    /// If one could not be run to its end.
    pub async fn trials<T>(
        &self,
        trial: impl AsyncFn(&F, u64, &Folder) -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        let mut trials = Vec::new();
        for (number, &seed) in self.design.seeds.iter().enumerate() {
            eprintln!("trial {} of {}", number + 1, self.design.trials);
            let folder = self.folder.within(&format!("trial-{}", number + 1))?;
            trials.push(trial(&self.design.factors, seed, &folder).await?);
        }
        Ok(trials)
    }

    /// Keeps the result, prints the table with the checks below it, and says whether they hold.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn finish<T: Serialize>(&self, trials: &[T], table: &str, checks: &Checks) -> anyhow::Result<bool> {
        let outcome = Outcome {
            format: "herd-experiment",
            version: VERSION,
            experiment: self.experiment.name(),
            quick: self.quick,
            design: &self.design,
            machine: &self.machine,
            trials,
            checks,
        };
        self.folder.write_json("result.json", &outcome)?;
        let text = format!("{table}\n{checks}");
        self.folder.write("table.txt", &text)?;
        print!("\n{text}\n{}", self.folder.index());
        Ok(checks.hold())
    }
}
