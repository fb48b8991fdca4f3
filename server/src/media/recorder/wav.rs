//! 16-bit PCM in WAV: its header is right after every write.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use media::core::RECORDING_RATE;

pub(super) struct Wav<W: Write + Seek = BufWriter<File>>(WavWriter<W>);

impl<W: Write + Seek> Wav<W> {
    pub fn new(to: W, channels: usize) -> io::Result<Self> {
        let spec = WavSpec {
            channels: channels as u16,
            sample_rate: RECORDING_RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = WavWriter::new(to, spec).map_err(io_error)?;
        writer.flush().map_err(io_error)?;
        Ok(Self(writer))
    }

    /// Appends, and brings the header up to date: after a crash the file plays to here.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        // `hound` counts bytes in 32 bits, as WAV does: 37 hours of two channels.
        if self.0.len() as usize + samples.len() > (u32::MAX / 2 - 64) as usize {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the recording has reached 4 GiB"));
        }
        let mut block = self.0.get_i16_writer(samples.len() as u32);
        samples.iter().for_each(|sample| block.write_sample(*sample));
        block.flush().map_err(io_error)?;
        self.0.flush().map_err(io_error)
    }

    pub fn finish(self) -> io::Result<()> {
        self.0.finalize().map_err(io_error)
    }
}

fn io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        error => io::Error::other(error),
    }
}
