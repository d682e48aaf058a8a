//! The programs that machines are measured with do what they say, by the reference interpreter.

use downhill_codegen::lane::interpret::interpret;
use downhill_codegen::lane::verify::verify;
use downhill_codegen::peak;

fn words(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn multiply_adds_are_as_many_as_they_say() {
    let (lanes, turns) = (4, 5);
    let emitted = peak::multiply_adds(lanes, turns);
    assert_eq!(verify(&emitted.program), Vec::<String>::new());
    let mut memory = [words(&[1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 2.0, 0.0])];
    interpret(&emitted.program, &mut memory, &[]).expect("in bounds");
    // Every chain adds x·y once a turn: operations / 2 / lanes products a lane.
    let each = (peak::operations(lanes, turns) / 2 / u64::from(lanes)) as f32;
    assert_eq!(memory[0][..4], words(&[each, 2.0 * each, 6.0 * each, 0.0]));
}

#[test]
fn streams_touch_all_that_they_say_and_no_more() {
    for lanes in [4, 8, 16] {
        let bytes = 2048_usize;
        let ones = words(&vec![1.0; bytes / 4]);
        let (read, moved) = peak::read(lanes, bytes as u64);
        assert_eq!(verify(&read.program), Vec::<String>::new());
        let mut memory = [ones.clone(), vec![0; lanes as usize]];
        interpret(&read.program, &mut memory, &[]).expect("in bounds");
        let sum: f32 = memory[1].iter().map(|&word| f32::from_bits(word)).sum();
        assert_eq!(4.0 * sum, moved as f32, "every byte that is read is added up");

        let (copy, moved) = peak::copy(lanes, 2 * bytes as u64);
        assert_eq!(verify(&copy.program), Vec::<String>::new());
        let mut memory = [ones.clone(), vec![0; bytes / 4]];
        interpret(&copy.program, &mut memory, &[]).expect("in bounds");
        assert_eq!(memory[0], memory[1]);
        assert_eq!(moved % (2 * bytes as u64), 0, "whole passes");

        let (update, moved) = peak::update(lanes, 2 * bytes as u64);
        assert_eq!(verify(&update.program), Vec::<String>::new());
        let passes = moved / (2 * bytes as u64);
        let mut memory = [ones.clone()];
        interpret(&update.program, &mut memory, &[]).expect("in bounds");
        let sign = if passes.is_multiple_of(2) { 1.0 } else { -1.0 };
        assert_eq!(memory[0], words(&vec![sign; bytes / 4]), "every element is negated once a pass");
    }
}
