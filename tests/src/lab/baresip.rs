use std::f64::consts::TAU;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::sound::Channel;
use super::{Process, free_phone_port, wait_for};

const RATE: u32 = 8000;
/// Seconds of the tone that it speaks.
const SPEECH: u32 = 120;

/// A phone: baresip without a head. It answers whoever calls, speaks a tone and writes down what it hears.
pub struct Baresip {
    process: Process,
    folder: PathBuf,
    pub address: SocketAddr,
}

impl Baresip {
    /// `account` is its account as baresip writes it, with `PORT` where its own port stands; `dials` is whom it calls at once.
    pub fn with_account(folder: &Path, account: &str, hertz: f64, dials: Option<&str>) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let (port, speech) = (free_phone_port(), folder.join("speech.wav"));
        write_tone(&speech, hertz);
        let modules = ["g711", "g722", "opus", "srtp", "dtls_srtp", "aufile", "aubridge", "sndfile"];
        let modules: String = modules.map(|name| format!("module {name}.so\n")).concat();
        let config = format!(
            "poll_method epoll\nsip_listen 127.0.0.1:{port}\naudio_player aubridge,unheard\naudio_source aufile,{}\n\
             audio_alert none,none\nausrc_srate 8000\nausrc_channels 1\nauplay_srate 8000\nauplay_channels 1\n\
             jitter_buffer_delay 2-5\nnet_interface 127.0.0.1\nmodule_path /usr/lib/baresip/modules\n{modules}\
             module_app account.so\nmodule_app menu.so\nsnd_path {}\n",
            speech.display(),
            folder.display()
        );
        fs::write(folder.join("config"), config).expect("written");
        fs::write(folder.join("accounts"), account.replace("PORT", &port.to_string())).expect("written");
        fs::write(folder.join("contacts"), "").expect("written");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(folder).args(["-t", "120"]);
        if let Some(uri) = dials {
            command.args(["-e", &format!("/dial {uri}")]);
        }
        let process = Process::start(&mut command, &folder.join("log"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let phone = Self { process, folder: folder.to_owned(), address };
        wait_for("baresip listens", Duration::from_secs(15), || {
            std::net::UdpSocket::bind(address).is_err().then_some(())
        });
        phone
    }

    /// The end of what it said.
    pub fn log(&self) -> String {
        self.process.tail()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Ends it and gives what it heard in its one call.
    pub fn heard(mut self) -> Channel {
        self.process.signal("-TERM");
        self.process.ended(Duration::from_secs(10));
        let files =
            fs::read_dir(&self.folder).expect("its folder").filter_map(|entry| Some(entry.ok()?.path()));
        let is_heard = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        let file =
            files.into_iter().find(is_heard).unwrap_or_else(|| panic!("it heard nothing:\n{}", self.log()));
        Channel::of_wav(&fs::read(file).expect("readable")).remove(0)
    }
}

fn write_tone(file: &Path, hertz: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(file, spec).expect("a file");
    for at in 0..RATE * SPEECH {
        let sample = 6000.0 * (TAU * hertz * f64::from(at) / f64::from(RATE)).sin();
        wav.write_sample(sample as i16).expect("written");
    }
    wav.finalize().expect("written");
}
