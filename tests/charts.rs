//! Charts and grids: what is in the files, and what is refused.

use downhill::pictures::{
    Best, Boundary, Colours, Confusion, Curves, Grid, HeatMap, Histogram, Series, boundary, confusion,
    curves, grid, heat_map, histogram,
};
use downhill::prelude::*;
use std::path::PathBuf;

type Done = Result<(), downhill::Error>;

/// A path of its own for each test. `DOWNHILL_PICTURES=folder` keeps the files where one can look at them.
fn path(name: &str) -> PathBuf {
    let folder = std::env::var_os("DOWNHILL_PICTURES").map(PathBuf::from);
    folder.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into()).join(name)
}

fn read(path: &PathBuf) -> String {
    let svg = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for part in ["NaN", "inf"] {
        assert!(
            !svg.split('"').skip(1).step_by(2).any(|attribute| attribute.contains(part)),
            "{part} in {svg}"
        );
    }
    svg
}

/// The values of an attribute of all elements of a kind.
fn attributes<'s>(svg: &'s str, element: &str, name: &str) -> Vec<&'s str> {
    let tags = svg.split('<').filter(|tag| tag.starts_with(&format!("{element} ")));
    let value = |tag: &'s str| tag.split_once(&format!(" {name}=\""))?.1.split('"').next();
    tags.filter_map(value).collect()
}

fn message(result: Done) -> String {
    result.expect_err("a mistake").to_string()
}

fn numbers(count: usize, f: impl Fn(usize) -> f32) -> Vec<f32> {
    (0..count).map(f).collect()
}

#[test]
fn curves_have_their_points_names_gaps_and_marks() -> Done {
    let path = path("curves.svg");
    let training = numbers(60, |i| 0.7 * (-0.08 * i as f32).exp() + 0.01);
    let mut validation = numbers(60, |i| 0.7 * (-0.09 * i as f32).exp() + 0.002 * i as f32 + 0.04);
    validation[40] = f32::NAN;
    let series = [
        Series::epochs("training & <more>", training),
        Series::epochs("validation", validation).mark(Best::Least),
        Series::new("measured", [(10.0, 0.3), (30.0, 0.2), (50.0, 0.25)]).scattered(),
    ];
    curves(&path, &series, Curves { title: "Loss\u{1}", y: "cross entropy", ..Curves::default() })?;

    let svg = read(&path);
    for part in ["training &amp; &lt;more&gt;", "validation", "Loss ", "cross entropy", "epoch"] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
    // 60 points; 40 before the gap and 19 behind it; two axes and two samples of lines.
    let lengths: Vec<usize> = attributes(&svg, "polyline", "points")
        .iter()
        .map(|points| points.split_whitespace().count())
        .collect();
    assert!([60, 40, 19].iter().all(|length| lengths.contains(length)), "{lengths:?}");
    // A ring, three dots, and a dot beside the name.
    assert_eq!(attributes(&svg, "circle", "r").len(), 5);
    let inside = attributes(&svg, "polyline", "points").join(" ");
    for point in inside.split_whitespace() {
        let (x, y) = point.split_once(',').expect("a pair");
        let (x, y): (i32, i32) = (x.parse().expect("x"), y.parse().expect("y"));
        assert!((0..1200).contains(&x) && (0..750).contains(&y), "{point}");
    }
    Ok(())
}

#[test]
fn logarithms_have_powers_of_ten_and_gaps_where_there_is_none() -> Done {
    let path = path("logarithms.svg");
    let series = [Series::new(
        "sweep",
        [(1.0, 1e-3), (10.0, 0.0), (100.0, 2e-2), (1000.0, 8.0), (1e4, f64::INFINITY)],
    )
    .dots()
    .mark(Best::Greatest)];
    curves(&path, &series, Curves { x: "width", y: "ratio", log: true, log_x: true, ..Curves::default() })?;
    let svg = read(&path);
    for part in ["0.001", "0.01", "0.1", "\n1\n", "8 at 1000"] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
    // What has no place in one direction stretches no axis in the other.
    assert!(!svg.contains("\n10000\n"));
    Ok(())
}

#[test]
fn long_series_are_thinned_and_keep_their_extremes() -> Done {
    let path = path("steps.svg");
    let mut losses = numbers(200_000, |i| 1.0 + 0.1 * (i as f32).sin());
    (losses[123_456], losses[77]) = (3.0, -1.0);
    curves(&path, &[Series::epochs("loss of each step", losses)], Curves { x: "step", ..Curves::default() })?;
    let svg = read(&path);
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    let longest = attributes(&svg, "polyline", "points").into_iter().max_by_key(|points| points.len());
    let heights: Vec<i32> = longest
        .into_iter()
        .flat_map(|points| {
            points.split_whitespace().filter_map(|point| point.split_once(',')?.1.parse().ok())
        })
        .collect();
    let (low, high) = (heights.iter().max().expect("points"), heights.iter().min().expect("points"));
    // Both extremes, on a plot of some 600 pixels.
    assert!(low - high > 500, "{low} {high}");
    Ok(())
}

#[test]
fn names_too_long_for_a_chart_are_shortened() -> Done {
    let path = path("long.svg");
    let long = "word ".repeat(500);
    let series: Vec<Series<'_>> = (0..40).map(|_| Series::epochs(&long, [1.0, 2.0])).collect();
    curves(&path, &series, Curves { title: &long, x: &long, y: &long, ..Curves::default() })?;
    assert!(read(&path).contains('…'));
    let names = vec![long; 3];
    heat_map(
        &path,
        &Tensor::full([3, 3], 1)?,
        HeatMap { rows: &names, columns: &names, ..HeatMap::default() },
    )?;
    assert!(read(&path).contains("word word word word word word…"));
    Ok(())
}

#[test]
fn curves_of_nothing_are_refused() {
    let path = path("nothing.svg");
    assert!(message(curves(&path, &[], Curves::default())).contains("no series"));
    let empty = [Series::epochs("validation", [0.0; 0])];
    assert!(message(curves(&path, &empty, Curves::default())).contains("`validation` has no points"));
    let broken = [Series::epochs("a", [f64::NAN, f64::INFINITY])];
    assert!(message(curves(&path, &broken, Curves::default())).contains("no point"));
    let negative = [Series::epochs("a", [-1.0, 0.0])];
    assert!(
        message(curves(&path, &negative, Curves { log: true, ..Curves::default() })).contains("positive")
    );
    let wide = [Series::epochs("a", [f64::MAX, -f64::MAX])];
    assert!(message(curves(&path, &wide, Curves::default())).contains("smaller"));
    assert!(!path.exists());
}

#[test]
fn extreme_numbers_are_drawn() -> Done {
    let path = path("extreme.svg");
    for values in
        [[1e300, 2e300], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0 + f64::EPSILON], [5e-324, 0.0], [-1e-200, 1e-200]]
    {
        curves(&path, &[Series::epochs("a", values)], Curves::default())?;
        curves(
            &path,
            &[Series::epochs("a", values.map(|value| value + 1e-30))],
            Curves { log: true, ..Curves::default() },
        )
        .or_else(|error| if values[0] < 0.0 { Ok(()) } else { Err(error) })?;
        histogram(&path, values, Histogram::default())?;
        read(&path);
    }
    Ok(())
}

#[test]
fn heat_maps_have_cells_names_numbers_and_a_scale() -> Done {
    let path = path("attention.svg");
    let words: Vec<String> =
        "the committee that wrote the report has resigned".split(' ').map(String::from).collect();
    let attention =
        |row: usize, column: usize| if column > row { 0.0 } else { 1.0 / (1.0 + (row - column) as f32) };
    let values = Tensor::new([8, 8], numbers(64, |at| attention(at / 8, at % 8)))?;
    let options = HeatMap {
        title: "Attention",
        x: "key",
        y: "query",
        rows: &words,
        columns: &words,
        decimals: Some(2),
        ..HeatMap::default()
    };
    heat_map(&path, &values, options)?;
    let svg = read(&path);
    assert_eq!(svg.matches("committee").count(), 2);
    assert_eq!(svg.matches("\n0.50\n").count(), 7);

    // Signed numbers: zero is white, NaN magenta, equal neighbours are one rectangle.
    let path = self::path("signed.svg");
    let mut numbers = numbers(1200, |at| ((at % 40) as f32 - 12.0) / 10.0);
    numbers[605] = f32::NAN;
    heat_map(
        &path,
        &Tensor::new([30, 40], numbers)?,
        HeatMap { colours: Colours::Signed, ..HeatMap::default() },
    )?;
    let svg = read(&path);
    assert_eq!(svg.matches("#FF00FF").count(), 1);
    assert!(svg.contains("#F7F7F7"));

    let path = self::path("even.svg");
    heat_map(&path, &Tensor::full([50, 50], 3_i32)?, HeatMap::default())?;
    // The paper, fifty rows, the scale.
    assert_eq!(attributes(&read(&path), "rect", "x").len(), 1 + 50 + 100);
    Ok(())
}

#[test]
fn heat_maps_of_nothing_are_refused() -> Done {
    let path = path("no-map.svg");
    let refused = |values: &Tensor, options| message(heat_map(&path, values, options));
    assert!(refused(&Tensor::from([1.0_f32]), HeatMap::default()).contains("two axes"));
    assert!(refused(&Tensor::new([0, 3], Vec::<f32>::new())?, HeatMap::default()).contains("nothing to see"));
    assert!(refused(&Tensor::full([2, 2], f32::NAN)?, HeatMap::default()).contains("none of the numbers"));
    let names = ["a".to_owned()];
    assert!(
        refused(&Tensor::full([2, 2], 1)?, HeatMap { rows: &names, ..HeatMap::default() })
            .contains("1 names")
    );
    let range = Some((1.0, f64::NAN));
    assert!(refused(&Tensor::full([2, 2], 1)?, HeatMap { range, ..HeatMap::default() }).contains("range"));
    assert!(refused(&Tensor::full([1001, 1000], 1)?, HeatMap::default()).contains("1,000,000"));
    Ok(())
}

#[test]
fn confusion_is_dark_where_rows_of_a_class_go() -> Done {
    let path = path("confusion.svg");
    let counts = Tensor::new(
        [10, 10],
        (0..100).map(|at| if at % 11 == 0 { 170 + at } else { at % 4 / 3 * (at % 13) }).collect(),
    )?;
    confusion(&path, &counts, Confusion { title: "Digits", ..Confusion::default() })?;
    let svg = read(&path);
    assert!(svg.contains("taken for") && svg.contains("\n269\n"));
    // The paper and the cells, however many of a row are one rectangle.
    assert_eq!(svg.matches("crispEdges").count(), attributes(&svg, "rect", "x").len());
    // A class without rows is no division by zero.
    confusion(&path, &Tensor::from([[3, 1], [0, 0]]), Confusion::default())?;
    read(&path);
    assert!(
        message(confusion(&path, &Tensor::from([[1, 2, 3]]), Confusion::default()))
            .contains("a row and a column")
    );
    assert!(
        message(confusion(&path, &Tensor::from([[1, -2], [0, 1]]), Confusion::default()))
            .contains("-2 in row 0, column 1")
    );
    Ok(())
}

#[test]
fn boundaries_have_regions_a_line_and_points() -> Done {
    let path = path("boundary.svg");
    let place = |i: usize| {
        [(i as f32 * 0.754_877_7).fract() * 2.0 - 1.0, (i as f32 * 0.569_840_3).fract() * 2.0 - 1.0]
    };
    let points: Vec<[f32; 2]> = (1..=200).map(place).collect();
    let inside = |[x, y]: [f32; 2]| x * x + y * y < 0.5;
    let mut labels: Vec<i32> = points.iter().map(|&point| inside(point).into()).collect();
    labels[7] = 1 - labels[7];
    let (points, labels) = (Tensor::from(points), Tensor::from(labels));
    let circle = |places: &Tensor| {
        let p = places
            .as_f32()?
            .chunks(2)
            .map(|p| 1.0 / (1.0 + (12.0 * (p[0] * p[0] + p[1] * p[1] - 0.5)).exp()));
        Ok(Tensor::from(p.collect::<Vec<f32>>()))
    };
    boundary(
        &path,
        &points,
        &labels,
        circle,
        Boundary { title: "A circle", x: "x", y: "y", ..Boundary::default() },
    )?;
    let svg = read(&path);
    // Two circles a point; the rim of the only one on the wrong side is wider.
    assert_eq!(attributes(&svg, "circle", "r").len(), 400);
    assert_eq!(attributes(&svg, "circle", "r").iter().filter(|&&radius| radius == "8").count(), 1);
    assert!(attributes(&svg, "polyline", "points").len() > 100);

    let path = self::path("thirds.svg");
    let thirds = |places: &Tensor| {
        let scores = places.as_f32()?.chunks(2).flat_map(|p| [p[0], -p[0], p[1]]);
        Ok(Tensor::new([places.shape()[0], 3], scores.collect())?)
    };
    boundary(&path, &points, &labels, thirds, Boundary::default())?;
    read(&path);
    Ok(())
}

#[test]
fn boundaries_of_what_does_not_fit_are_refused() -> Done {
    let path = path("no-boundary.svg");
    let points = Tensor::from([[0.0_f32, 1.0], [1.0, 0.0]]);
    let labels = Tensor::from([0, 1]);
    let half = |places: &Tensor| Ok(Tensor::full([places.shape()[0]], 0.5_f32)?);
    let refused =
        |points: &Tensor, labels: &Tensor, options| message(boundary(&path, points, labels, half, options));
    assert!(refused(&Tensor::from([0.0_f32]), &labels, Boundary::default()).contains("[n, 2]"));
    assert!(
        refused(&points, &Tensor::from([0]), Boundary::default())
            .contains("2 points were given with 1 labels")
    );
    assert!(refused(&points, &Tensor::from([0, -1]), Boundary::default()).contains("no class"));
    assert!(refused(&points, &labels, Boundary { cells: 1, ..Boundary::default() }).contains("1 by 1"));
    let range = Some([(1.0, 0.0), (0.0, 1.0)]);
    assert!(refused(&points, &labels, Boundary { range, ..Boundary::default() }).contains("lesser"));
    let few = |_: &Tensor| Ok(Tensor::from([0.5_f32]));
    assert!(message(boundary(&path, &points, &labels, few, Boundary::default())).contains("10000 places"));
    let broken = |places: &Tensor| Ok(Tensor::full([places.shape()[0]], f32::NAN)?);
    boundary(&path, &points, &labels, broken, Boundary::default())?;
    assert!(read(&path).contains("#FF00FF"));
    Ok(())
}

#[test]
fn histograms_count_everything_or_say_what_is_left_out() -> Done {
    let path = path("histogram.svg");
    let bell =
        numbers(3000, |i| (0..6).map(|k| (i as f32 * 0.618 * (k as f32 + 1.3)).fract()).sum::<f32>() / 6.0);
    histogram(
        &path,
        bell.iter().copied(),
        Histogram { title: "Means of six", x: "mean", ..Histogram::default() },
    )?;
    let svg = read(&path);
    assert!(svg.contains("how many") && attributes(&svg, "rect", "x").len() > 12);
    histogram(&path, [1.0, f64::NAN, 2.0, f64::INFINITY], Histogram::default())?;
    assert!(read(&path).contains("without 2"));
    assert!(message(histogram(&path, [f32::NAN], Histogram::default())).contains("none of 1 numbers"));
    let none = Histogram { bins: Some(0), ..Histogram::default() };
    assert!(message(histogram(&path, [1.0], none)).contains("0 bars"));
    Ok(())
}

/// Width, height and the bytes of all pixels.
fn decode(path: &PathBuf) -> (u32, u32, Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("a file"));
    let mut reader = png::Decoder::new(file).read_info().expect("a header");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("pixels");
    (info.width, info.height, pixels)
}

#[test]
fn grids_have_every_pixel_where_it_belongs() -> Done {
    let path = path("grid.png");
    // Three pictures of one row and two pixels, two in a row, each pixel four times, a frame of one.
    let pictures = Tensor::new([3, 1, 2], vec![0.0_f32, 1.0, 0.5, f32::NAN, -3.0, 7.0])?;
    grid(&path, &pictures, Grid { columns: 2, padding: 1, scale: Some(2), background: 0.25 })?;
    let (width, height, pixels) = decode(&path);
    assert_eq!((width, height), (1 + 2 * 5, 1 + 2 * 3));
    let at = |x: usize, y: usize| <[u8; 3]>::try_from(&pixels[(y * 11 + x) * 3..][..3]).expect("a pixel");
    assert_eq!((at(0, 0), at(5, 1), at(6, 4)), ([64; 3], [64; 3], [64; 3]));
    assert_eq!((at(1, 1), at(2, 2), at(3, 1), at(4, 2)), ([0; 3], [0; 3], [255; 3], [255; 3]));
    assert_eq!((at(6, 1), at(8, 1)), ([128; 3], [255, 0, 255]));
    assert_eq!((at(1, 4), at(3, 5)), ([0; 3], [255; 3]));

    // Three channels: red beside green.
    let path = self::path("colours.png");
    let colours = Tensor::new([1, 3, 1, 2], vec![1.0_f32, 0.0, 0.0, 1.0, 0.0, 0.2])?;
    grid(&path, &colours, Grid { padding: 0, scale: Some(1), ..Grid::default() })?;
    assert_eq!(decode(&path), (2, 1, vec![255, 0, 0, 0, 255, 51]));
    Ok(())
}

#[test]
fn grids_of_nothing_are_refused() -> Done {
    let path = path("no-grid.png");
    let refused = |pictures: &Tensor, options| message(grid(&path, pictures, options));
    let one = Tensor::full([1, 2, 2], 0.5_f32)?;
    assert!(refused(&Tensor::from([1.0_f32]), Grid::default()).contains("[n, height, width]"));
    assert!(refused(&Tensor::full([0, 3, 3], 0.5_f32)?, Grid::default()).contains("one or more"));
    assert!(refused(&Tensor::full([1, 2, 3, 3], 0.5_f32)?, Grid::default()).contains("1 or 3 channels"));
    assert!(refused(&Tensor::full([1, 3, 3], 1_i32)?, Grid::default()).contains("i32"));
    assert!(refused(&one, Grid { columns: 0, ..Grid::default() }).contains("0 columns"));
    assert!(refused(&one, Grid { scale: Some(usize::MAX), ..Grid::default() }).contains("too large"));
    assert!(refused(&one, Grid { padding: 1 << 20, ..Grid::default() }).contains("too large"));
    Ok(())
}

#[test]
fn a_file_is_written_whole_or_not_at_all() -> Done {
    let folder = path("whole");
    let series = [Series::epochs("a", [1.0, 2.0])];
    // Missing folders are made, nothing is left beside the file, and the old file is replaced.
    for _ in 0..2 {
        curves(folder.join("deep").join("a.svg"), &series, Curves::default())?;
    }
    let names = std::fs::read_dir(folder.join("deep"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name());
    assert!(names.eq(["a.svg"]));

    // A folder where the file should be, a file where the folder should be, no name at all.
    for path in [folder.join("deep"), folder.join("deep/a.svg/b.svg"), PathBuf::from("/"), PathBuf::new()] {
        let error = message(curves(&path, &series, Curves::default()));
        assert!(error.contains("be written"), "{error}");
    }
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1);
    Ok(())
}
