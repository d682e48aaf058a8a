//! Searches over settings, and many models at once.

use downhill::data::{By, folds};
use downhill::many;
use downhill::prelude::*;
use downhill::search::{Finding, Findings, Method, Search, Setting, Trial, choice, log, number, whole};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn space() -> Search {
    let axes = [
        ("layers", whole(1..=4)),
        ("rate", log(1e-4..=1.0)),
        ("drop", number(0.0..=0.5)),
        ("curve", choice(["relu", "tanh"])),
    ];
    Search::new(axes).expect("axes").seed(7)
}

/// Least at 3 layers, a rate of 0.01, no dropout, tanh.
fn bowl(trial: &Trial) -> Result<f64, downhill::Error> {
    let layers = trial.whole("layers")? as f64 - 3.0;
    let rate = trial.number("rate")?.log10() + 2.0;
    let curve = if trial.choice("curve")? == "tanh" { 0.0 } else { 1.0 };
    Ok(layers * layers + rate * rate + trial.number("drop")? + curve)
}

#[test]
fn a_grid_has_every_combination() {
    let findings = space().run(Method::Grid(3), bowl).expect("findings");
    assert_eq!(findings.trials.len(), 3 * 3 * 3 * 2);
    let mut settings: Vec<String> =
        findings.trials.iter().map(|it| format!("{:?}", it.trial.settings)).collect();
    settings.sort();
    settings.dedup();
    assert_eq!(settings.len(), 54);
    let best = &findings.best().expect("a best").trial;
    assert_eq!(
        (best.choice("curve").expect("a word"), best.number("drop").expect("a number")),
        ("tanh", 0.0)
    );
    assert!((best.number("rate").expect("a rate") - 0.01).abs() < 1e-12);
    // The ends are among them.
    let rates: Vec<f64> = findings.trials.iter().map(|it| it.trial.number("rate").expect("a rate")).collect();
    assert!(rates.contains(&1e-4) && rates.contains(&1.0), "{rates:?}");
    let (rows, columns, errors) = findings.by("layers", "curve");
    assert_eq!((rows.len(), columns, errors.len()), (3, vec!["relu".to_owned(), "tanh".into()], 6));
    assert!(errors.iter().all(|error| error.is_finite()));
}

#[test]
fn words_that_are_numbers_stand_by_size() {
    let axes = [("units", choice(["8", "16", "many"])), ("layers", whole(1..=2))];
    let search = Search::new(axes).expect("axes");
    let findings = search.run(Method::Grid(3), |trial| Ok(trial.number as f64)).expect("findings");
    assert_eq!(findings.by("units", "layers").0, ["8", "16", "many"]);
}

#[test]
fn findings_do_not_depend_on_threads_and_go_on_from_a_table() {
    for method in [Method::Random(30), Method::Tpe(30), Method::Grid(2)] {
        let one = space().threads(1).run(method, bowl).expect("findings");
        let three = space().threads(3).run(method, bowl).expect("findings");
        assert_eq!(one, three);
        assert!(one.trials.windows(2).all(|pair| pair[0].error <= pair[1].error));
        // Half of it, written down, taken up again: only the rest is made.
        let mut half =
            Findings { trials: one.trials.iter().filter(|it| it.trial.number < 12).cloned().collect() };
        half.trials.reverse();
        let made = AtomicUsize::new(0);
        let resumed = space().resume(&half.to_csv()).expect("its own table");
        let counted = |trial: &Trial| {
            made.fetch_add(1, Ordering::Relaxed);
            bowl(trial)
        };
        assert_eq!(resumed.run(method, counted).expect("findings"), one);
        assert_eq!(made.load(Ordering::Relaxed), one.trials.len() - 12);
    }
    let other = Search::new([("rate", log(1e-4..=1.0))]).expect("axes");
    let table = space().run(Method::Random(3), bowl).expect("findings").to_csv();
    assert!(Search::new([("width", whole(1..=4))]).expect("axes").resume(&table).is_err());
    assert!(other.resume("trial,error,failure,rate\n0,1.0,,7.5\n").is_err());
}

#[test]
fn what_is_learned_from_trials_helps() {
    // The mean of the best of 100 trials, over twenty seeds.
    let mean = |method: Method| {
        let best = (0..20).map(|seed| {
            let findings = space().seed(seed).run(method, bowl).expect("findings");
            findings.best().expect("a best").error
        });
        best.sum::<f64>() / 20.0
    };
    let (random, tpe) = (mean(Method::Random(100)), mean(Method::Tpe(100)));
    assert!(tpe < 0.95 * random, "tpe {tpe}, random {random}");
}

#[test]
fn failures_are_told_and_the_others_go_on() {
    let fragile = |trial: &Trial| match trial.choice("curve")? {
        "relu" => Err(downhill::Error::Usage { message: "it, \"broke\"".into(), help: "none".into() }),
        _ if trial.whole("layers")? == 4 => Ok(f64::NAN),
        _ => bowl(trial),
    };
    let findings = space().run(Method::Random(40), fragile).expect("findings");
    let failed = findings.trials.iter().filter(|it| it.failure.is_some()).count();
    assert!(failed > 10 && failed < 40 && findings.best().is_some_and(|best| best.error.is_finite()));
    assert!(findings.to_string().contains("failed: it, \"broke\""), "{findings}");
    let again = space().resume(&findings.to_csv()).expect("its own table");
    assert_eq!(again.run(Method::Random(40), |_| unreachable!("all are made")).expect("findings"), findings);
    let all = |_: &Trial| -> Result<f64, _> {
        Err(downhill::Error::Usage { message: "all".into(), help: "broke".into() })
    };
    assert!(space().run(Method::Random(4), all).expect_err("all failed").to_string().contains("all"));
}

#[test]
fn halving_spends_on_the_better_half() {
    let spent = AtomicUsize::new(0);
    let findings = space()
        .halving(16, &[1, 2, 4], |trial, budget, kept: Option<u64>| {
            spent.fetch_add((budget - kept.unwrap_or(0)) as usize, Ordering::Relaxed);
            // More budget, less error.
            Ok((bowl(trial)? + 1.0 / budget as f64, budget))
        })
        .expect("findings");
    assert_eq!((findings.trials.len(), spent.load(Ordering::Relaxed)), (16, 16 + 8 + 2 * 4));
    let best = findings.best().expect("a best");
    let random = space().run(Method::Random(16), bowl).expect("findings");
    assert_eq!(best.trial, random.best().expect("a best").trial);
    assert!(space().halving(4, &[2, 2], |_, _, _: Option<()>| Ok((0.0, ()))).is_err());
}

#[test]
fn a_halving_that_was_interrupted_goes_on() {
    let budgets = [1, 2, 4];
    // Begun anew where nothing is kept; one trial fails at the first budget, some at the second.
    let train = |trial: &Trial, budget: u64, kept: Option<u64>| {
        assert!(kept.is_none_or(|kept| kept < budget));
        if trial.number == 3 || budget == 2 && trial.number.is_multiple_of(5) {
            return Err(downhill::Error::Usage { message: "it broke".into(), help: "none".into() });
        }
        Ok((bowl(trial)? + trial.number as f64 / budget as f64, budget))
    };
    let whole = space().halving(16, &budgets, train).expect("findings");
    assert_eq!(whole.trials.iter().map(|it| it.budget).max(), Some(Some(4)));
    assert!(whole.trials.iter().any(|it| it.failure.is_some() && it.budget == Some(2)));

    // As tables stand after so many trainings: each trial at the largest budget that it had reached.
    for ended in [0, 5, 16, 19, 25, 27, 28] {
        let (left, table) = (AtomicUsize::new(ended), Mutex::new(Vec::<Finding>::new()));
        let interrupted = space().threads(1).halving(16, &budgets, |trial, budget, kept| {
            let stopped = || downhill::Error::Usage { message: "stopped".into(), help: String::new() };
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .map_err(|_| stopped())?;
            let made = train(trial, budget, kept);
            let (error, failure) = match &made {
                Ok((error, _)) => (*error, None),
                Err(failure) => (f64::INFINITY, Some(failure.to_string())),
            };
            let mut table = table.lock().expect("a table");
            table.retain(|it| it.trial.number != trial.number);
            table.push(Finding { trial: trial.clone(), error, failure, budget: Some(budget) });
            made
        });
        assert!(ended > 0 || interrupted.is_err());
        let table = Findings { trials: table.into_inner().expect("a table") }.to_csv();
        let made = AtomicUsize::new(0);
        let counted = |trial: &Trial, budget, kept| {
            made.fetch_add(1, Ordering::Relaxed);
            train(trial, budget, kept)
        };
        let search = if ended == 0 { space() } else { space().resume(&table).expect("its own table") };
        let resumed = search.halving(16, &budgets, counted).expect("findings");
        assert_eq!(resumed, whole, "after {ended}");
        let all = 16 + 8 + whole.trials.iter().filter(|it| it.budget == Some(4)).count();
        assert_eq!(made.load(Ordering::Relaxed), all - ended.min(all), "after {ended}");
    }

    let again = space().resume(&whole.to_csv()).expect("its own table");
    let none = |_: &Trial, _, _: Option<()>| unreachable!("all are made");
    assert_eq!(again.halving(16, &budgets, none).expect("findings"), whole);
    let message = again.halving(16, &[1, 3], none).expect_err("other budgets").to_string();
    assert!(message.contains("none of the budgets [1, 3]"), "{message}");
    // A trial in the midst of its budgets is no whole one.
    let random = again.run(Method::Random(2), bowl).expect("findings");
    assert_eq!(random, space().run(Method::Random(2), bowl).expect("findings"));
}

#[test]
fn mistakes_are_told() {
    let message = |search: Result<Search, downhill::Error>| search.expect_err("a mistake").to_string();
    assert!(message(Search::new([("rate", log(0.0..=1.0))])).contains("axis `rate` begins at 0"));
    assert!(message(Search::new([("a", whole(1..=2)), ("a", whole(1..=2))])).contains("`a`"));
    assert!(message(Search::new::<&str>([])).contains("no axes"));
    let run = |method| space().run(method, bowl).expect_err("a mistake").to_string();
    assert!(
        run(Method::Random(0)).contains("0 trials") && run(Method::Grid(usize::MAX)).contains("a search of")
    );
    let trial = Trial { number: 0, settings: vec![("layers".into(), Setting::Whole(-2))] };
    assert!(
        trial.whole("layers").is_err() && trial.choice("layers").is_err() && trial.number("rates").is_err()
    );
    assert_eq!(trial.number("layers").expect("a number"), -2.0);
}

network! {
    Line(hidden: usize) {
        input  x: [batch, 1];
        target y: [batch, 1];
        let h = tanh(linear(x, hidden));
        output p = linear(dropout(h, 0.1), 1);
        loss   squared_error(p, y);
    }
}

fn waves() -> Dataset {
    let x: Vec<f32> = (0..60).map(|n| n as f32 / 15.0 - 2.0).collect();
    let y: Vec<f32> = x.iter().map(|x| x.sin()).collect();
    let column = |numbers| Tensor::new([60, 1], numbers).expect("a column");
    Dataset::new([("x", column(x)), ("y", column(y))]).expect("data")
}

#[test]
fn many_models_are_those_of_one_after_another() {
    let data = waves();
    let program = Line::new(8).optimizer(adam(0.02)).program().expect("a program");
    let train = |seed: u64| {
        let mut net = program.model(seed)?;
        net.fit(&data, Fit { epochs: 3, batch: 16, seed, ..Fit::default() })?;
        Ok(net)
    };
    let [one, three] = [1, 3].map(|threads| many::on_threads(threads, 0..6, train).expect("models"));
    for (a, b) in one.iter().zip(&three) {
        assert_eq!(a.state(), b.state());
    }
    let mean = many::mean_prediction(&one, &data).expect("a mean").to_f64_vec();
    let first = one.iter().map(|net| net.predict(&data).expect("p").to_f64_vec()[7]).sum::<f64>() / 6.0;
    assert!((mean[7] - first).abs() < 1e-6);
    assert!(many::mean_prediction(&[], &data).is_err());

    let folds = folds(&data, 5, By::Chance(1)).expect("folds");
    let scores = many::cross_validate(&data, &folds, |training, validation| {
        let mut net = program.model(1)?;
        net.fit(training, Fit { epochs: 60, batch: 8, ..Fit::default() })?;
        assert_eq!((training.rows(), validation.rows()), (48, 12));
        Ok(net.evaluate(validation)?.loss())
    });
    let scores = scores.expect("scores");
    assert!(scores.scores.len() == 5 && scores.mean() < 0.2 && scores.deviation() < 0.2, "{scores}");
    let broken = many::each([1, 0, 2], |n| {
        if n == 0 {
            Err(downhill::Error::Usage { message: "nought".into(), help: String::new() })
        } else {
            Ok(n)
        }
    });
    assert!(broken.expect_err("the second").to_string().contains("nought"));
    assert!(many::each(Vec::<u8>::new(), Ok).expect("nothing").is_empty());
}
