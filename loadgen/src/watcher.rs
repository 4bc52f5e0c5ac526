//! Hands on what a run shows: to the screen, and to files.

use std::io;

use anyhow::Context;
use loadgen::hlog::IntervalLog;
use loadgen::live::Glance;
use loadgen::plan::Plan;
use loadgen::series::Series;
use loadgen::watch::{Moment, Watch, Wish};

use crate::cli::Run;
use crate::metrics::Exporter;
use crate::progress::Progress;
use crate::view::View;

/// Watches a run for people and for files.
#[derive(Debug)]
pub(crate) struct Watcher {
    display: Display,
    exporter: Option<Exporter>,
    series: Option<Series>,
    log: Option<IntervalLog>,
    written: io::Result<()>,
}

/// What people see.
#[derive(Debug)]
enum Display {
    /// A view, once there is something to show: until then a failure is said on the terminal as
    /// it is.
    Planned(Box<Plan>),
    View(Box<View>),
    Lines(Progress),
}

impl Watcher {
    /// Watches as the options want it.
    pub(crate) fn new(options: &Run, plan: &Plan) -> anyhow::Result<Self> {
        let with_view = !options.plain && View::is_possible();
        let display = if with_view {
            Display::Planned(Box::new(plan.clone()))
        } else {
            Display::Lines(Progress::new(plan.warm_up + plan.duration))
        };
        let exporter = options.metrics.map(|address| Exporter::start(address, plan)).transpose()?;
        if let Some(exporter) = &exporter {
            eprintln!("metrics at {}", exporter.url());
        }
        Ok(Self { display, exporter, series: options.series()?, log: options.interval_log()?, written: Ok(()) })
    }

    /// Gives the terminal back and finishes the files.
    ///
    /// # Errors
    /// If not all could be written.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        drop(self.display);
        self.written.context("cannot write the series")?;
        self.log.map_or(Ok(()), IntervalLog::finish).context("cannot write the log of response times")
    }
}

impl Watch for &mut Watcher {
    fn look(&mut self, moment: Moment, glance: &Glance) -> Wish {
        if let Some(exporter) = &self.exporter {
            exporter.look(moment, glance);
        }
        self.display.look(moment, glance)
    }

    fn second(&mut self, moment: Moment, glance: Glance) {
        if let Some(exporter) = &self.exporter {
            exporter.second(&glance);
        }
        if let Some(log) = &mut self.log {
            log.add(moment.elapsed, &glance.recent.iamat.response, &glance.recent.whatsat.response);
        }
        if let (Some(series), Ok(())) = (&mut self.series, &self.written) {
            self.written = series.write(moment.elapsed, moment.phase, &glance);
        }
        self.display.second(moment, glance);
    }
}

impl Display {
    fn look(&mut self, moment: Moment, glance: &Glance) -> Wish {
        if let Self::Planned(plan) = self {
            let view = View::open(plan);
            *self = view.map_or_else(
                |_| Self::Lines(Progress::new(plan.warm_up + plan.duration)),
                |view| Self::View(Box::new(view)),
            );
        }
        let Self::View(view) = self else { return Wish::GoOn };
        if let Ok(wish) = view.look(moment, glance) {
            return wish;
        }
        // Where there is no view any more there may still be lines.
        *self = Self::Lines(Progress::new(view.end()));
        Wish::GoOn
    }

    fn second(&mut self, moment: Moment, glance: Glance) {
        match self {
            Self::Planned(_) => {}
            Self::View(view) => view.second(moment.phase, glance),
            Self::Lines(lines) => lines.show(moment, &glance),
        }
    }
}
