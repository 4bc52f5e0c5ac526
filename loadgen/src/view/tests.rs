//! Whole screens, drawn from looks at a run that never was.

use std::time::Duration;

use fastrand::Rng;
use loadgen::live::Glance;
use loadgen::plan::{Operation, Plan, Target};
use loadgen::series::Phase;
use loadgen::watch::Moment;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw;
use super::figures::Figures;

const SERVERS: [&str; 5] = ["Bailey", "Bona", "Campbell", "Clark", "Jaquez"];
const LOOK: Duration = Duration::from_millis(200);

fn plan(servers: &[&str]) -> Plan {
    let target = |name: &&str| Target { name: (*name).into(), address: "127.0.0.1:1".parse().unwrap() };
    let hops = vec![vec![1; servers.len()]; servers.len()];
    Plan {
        warm_up: Duration::from_secs(2),
        duration: Duration::from_secs(18),
        probe: (servers.len() > 1).then(|| Duration::from_millis(20)),
        ..Plan::new(servers.iter().map(target).collect(), hops, 1000, "view".into())
    }
}

/// What came in a fifth of a second: replies that take about a millisecond, some a hundred.
fn glance(servers: usize, number: u64, rng: &mut Rng) -> Glance {
    let mut glance = Glance::new(servers);
    (glance.offered, glance.answered) = (200, 198);
    (glance.connected, glance.cpu) = (1000, Duration::from_millis(20));
    for reply in 0..198 {
        let operation = if reply % 20 == 0 { Operation::Whatsat } else { Operation::Iamat };
        let slow = if rng.u8(..) == 0 { 100_000_000 } else { 0 };
        let answered = 300_000 + rng.u64(..900_000) + slow;
        glance.recent.replies(operation, reply % servers, [0, 20_000, answered], 1);
    }
    for (origin, observer) in (0..servers).flat_map(|a| (0..servers).map(move |b| (a, b))) {
        if origin != observer {
            glance.sights.saw(origin, observer, 200_000 + 10_000 * (origin + observer) as u64);
        }
    }
    if number == 40 {
        glance.sights.lose(1, 2, 3);
        glance.recent.servers[0].failed = 2;
    }
    (glance.failed, glance.wrong) = (if number >= 40 { 2 } else { 0 }, 0);
    glance
}

fn figures(servers: &[&str], looks: u64) -> Figures {
    let plan = plan(servers);
    let mut figures = Figures::new(&plan);
    let mut rng = Rng::with_seed(1);
    let mut second = Glance::new(servers.len());
    for number in 1..=looks {
        let elapsed = LOOK * u32::try_from(number).unwrap();
        let moment = Moment { elapsed, phase: Phase::at(elapsed, plan.warm_up, plan.duration) };
        let glance = glance(servers.len(), number, &mut rng);
        figures.look(moment, &glance);
        second.extend(glance);
        if number % 5 == 0 {
            figures.second(moment.phase, std::mem::replace(&mut second, Glance::new(servers.len())));
        }
    }
    figures
}

fn screen(figures: &Figures, width: u16, height: u16) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(&mut buffer, figures);
    buffer
}

fn text(buffer: &Buffer) -> String {
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_small_and_a_large_screen() {
    let figures = figures(&SERVERS, 60);
    insta::assert_snapshot!("80x24", text(&screen(&figures, 80, 24)));
    insta::assert_snapshot!("200x50", text(&screen(&figures, 200, 50)));
}

#[test]
fn a_wrong_answer_is_on_the_screen_in_its_sentence() {
    let mut figures = figures(&SERVERS, 30);
    let mut wrong = Glance::new(SERVERS.len());
    wrong.wrong = 1;
    wrong.recent.servers[3].wrong = 1;
    wrong.recent.wrong = Some("Clark answered for another server: AT Dora +0.000000001 a +1+1 1".into());
    let moment = Moment { elapsed: Duration::from_secs(7), phase: Phase::Measure };
    figures.look(moment, &wrong);
    figures.second(Phase::Measure, wrong);
    for (width, height) in [(80, 24), (200, 50)] {
        let text = text(&screen(&figures, width, height));
        assert!(text.contains("Clark answered for another server"), "{text}");
    }
}

#[test]
fn no_size_and_no_herd_breaks_the_screen() {
    let one = figures(&SERVERS[..1], 10);
    let five = figures(&SERVERS, 10);
    let names: Vec<String> = (0..40).map(|number| format!("a-server-with-a-long-name-{number}")).collect();
    let forty = figures(&names.iter().map(String::as_str).collect::<Vec<_>>(), 10);
    let none = figures(&SERVERS, 0);
    for figures in [one, five, forty, none] {
        for width in (1..=230).step_by(7) {
            for height in 1..=60 {
                let buffer = screen(&figures, width, height);
                assert_eq!(buffer.area, Rect::new(0, 0, width, height));
            }
        }
    }
}
