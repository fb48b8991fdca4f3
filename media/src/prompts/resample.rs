use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler};

/// Input frames per step; only memory and a little time depend on it.
const STEP: usize = 1024;

/// `mono` at another rate, with the same length in time. Both rates lie between 4,000 and 192,000 Hz.
pub(super) fn resample(mono: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to {
        return mono.to_vec();
    }
    let mut resampler = Fft::<f32>::new(from as usize, to as usize, STEP, 1, FixedSync::Input)
        .expect("the rates and the step are not zero");
    let input = SequentialSlice::new(mono, 1, mono.len()).expect("one channel fills the slice");
    resampler
        .process_all(&input, mono.len(), None)
        .expect("the buffers have the resampler's own sizes")
        .take_data()
}
