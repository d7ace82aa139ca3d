//! Jobs a second, beside what the bare client can do.

use super::back_ends::BackEnd;
use super::{Figure, Figures, ROUNDS, chosen, figures, is_wanted, median, programs, row};

/// What is measured, with how many threads, and what people call it.
const ROWS: [(&str, u64, &str); 9] = [
    ("push", 1, "push, one thread"),
    ("push", 16, "push, 16 threads"),
    ("push_many", 1, "push many, 1,000 a call"),
    ("drain", 1, "drain, one slot"),
    ("drain", 10, "drain, 10 slots"),
    ("drain_deep", 10, "drain, 480,000 more behind"),
    ("drain_future", 10, "drain, 480,000 due tomorrow"),
    ("push_and_run", 10, "push and run, 10 threads"),
    ("push_and_run", 2, "push and run, 2 children"),
];

#[test]
#[ignore = "a measurement, run by tests/compare"]
fn speed() {
    let columns = ["back end", "what", "bare client", "craft-queue", "ratio", "lost, doubled"];
    for back_end in chosen(&columns) {
        let site = back_end.start();
        let rounds: Vec<(Figures, Figures)> = (0..ROUNDS)
            .map(|_| {
                (figures(&mut back_end.limits(&site)), figures(&mut back_end.bench(&site, back_end.jobs)))
            })
            .collect();
        for (workload, threads, what) in ROWS {
            let ours = |of: (&str, u64)| {
                let key = (of.0.to_owned(), of.1);
                rounds.iter().filter_map(|(_, ours)| ours.get(&key)).collect::<Vec<_>>()
            };
            let these = ours((workload, threads));
            if these.is_empty() {
                continue;
            }
            let bare: Vec<f64> =
                rounds.iter().filter_map(|(bare, _)| best(bare, workload, threads)).collect();
            let ratio = match (workload, &bare[..]) {
                (_, [_, ..]) => format!("{:.2}", ratio(&speeds(&these), &bare)),
                ("push", _) => {
                    format!("{:.1} × one thread", ratio(&speeds(&these), &speeds(&ours(("push", 1)))))
                }
                _ => format!("{:.2} of the drain", ratio(&speeds(&these), &speeds(&ours(("drain", 10))))),
            };
            let limit = if bare.is_empty() { "–".into() } else { per_second(median(bare)) };
            row([back_end.title, what, &limit, &per_second(median(speeds(&these))), &ratio, &wrong(&these)]);
        }
        pickup(&back_end, &rounds);
    }
    if is_wanted("programs") {
        programs::measure();
    }
}

/// The bare client's speed: of pushes with as many threads, else with however many it is quickest.
fn best(bare: &Figures, workload: &str, threads: u64) -> Option<f64> {
    let alike = |key: &&(String, u64)| key.0 == workload && (workload != "push" || key.1 == threads);
    let alike = bare.keys().filter(alike).map(|key| speed_of(&bare[key]));
    alike.max_by(f64::total_cmp)
}

/// The middle one of the rounds' ratios: a round's two halves had the same minute.
fn ratio(these: &[f64], those: &[f64]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this / that).collect())
}

fn speeds(figures: &[&Figure]) -> Vec<f64> {
    figures.iter().map(|figure| speed_of(figure)).collect()
}

fn speed_of(figure: &Figure) -> f64 {
    figure["per_second"].as_f64().unwrap()
}

fn pickup(back_end: &BackEnd, rounds: &[(Figures, Figures)]) {
    let pickups = rounds.iter().filter_map(|(_, ours)| ours.get(&("pickup".to_owned(), 1)));
    let pickups: Vec<_> = pickups.collect();
    if pickups.is_empty() {
        return;
    }
    let of = |key: &str| median(pickups.iter().map(|figure| figure[key].as_f64().unwrap()).collect());
    let p50_and_p99 = format!("{:.1} ms, p99 {:.1} ms", of("p50_ms"), of("p99_ms"));
    let what = match back_end.arguments.contains(&"--poll") {
        true => "from push to begin, idle, poll 0.005",
        false => "from push to begin, idle",
    };
    row([back_end.title, what, "–", &p50_and_p99, "–", &wrong(&pickups)]);
}

fn wrong(figures: &[&Figure]) -> String {
    let sum = |key: &str| figures.iter().map(|figure| figure[key].as_u64().unwrap()).sum::<u64>();
    format!("{}, {}", sum("lost"), sum("doubled"))
}

/// `8.8 k/s`.
fn per_second(speed: f64) -> String {
    match speed {
        million if speed >= 1e6 => format!("{:.2} M/s", million / 1e6),
        many if speed >= 1e5 => format!("{:.0} k/s", many / 1e3),
        some => format!("{:.1} k/s", some / 1e3),
    }
}
