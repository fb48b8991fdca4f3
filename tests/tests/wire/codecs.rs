//! Phones that speak other codecs than each other: baresip with G.722 or Opus calls baresip with PCMA through us, and each hears the
//! other's tone.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::lab::sound::Channel;
use e2e::lab::{Process, Tandem, free_phone_port, free_ports, wait_for};

const CALLER: f64 = 1000.0;
const CALLED: f64 = 600.0;
const FLOWS: &str = r#"
flow through {
  entry sip "+74950000001"
  state start { transfer "+79005556677" on failed -> over }
  state over { hangup }
}
route outbound { to "*" via trunk "carrier" }
"#;

/// A phone that speaks one codec, says a tone, and keeps what it hears in its folder.
fn phone(
    folder: &Path,
    port: u16,
    codec: (&str, &str),
    hertz: f64,
    seconds: u32,
    dial: Option<&str>,
) -> Process {
    fs::create_dir_all(folder).expect("a folder");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let tone = folder.join("tone.wav");
    let mut wav = hound::WavWriter::create(&tone, spec).expect("a file");
    for at in 0..16_000 * seconds {
        let angle = std::f64::consts::TAU * hertz * f64::from(at) / 16_000.0;
        wav.write_sample((8000.0 * angle.sin()) as i16).expect("written");
    }
    wav.finalize().expect("written");
    let (module, name) = codec;
    let media = free_ports();
    let config = format!(
        "poll_method epoll\nnet_interface 127.0.0.1\njitter_buffer_delay 2-5\nmodule_path /usr/lib/baresip/modules\nmodule {module}.so\nmodule aufile.so\nmodule sndfile.so\nmodule aubridge.so\n\
         module_app account.so\nmodule_app menu.so\nsip_listen 127.0.0.1:{port}\nsnd_path {}\n\
         audio_source aufile,{}\naudio_player aubridge,unheard\naudio_alert none,none\nausrc_srate 16000\n\
         ausrc_channels 1\nrtp_ports {media}-{}\n",
        folder.display(),
        tone.display(),
        media + 100,
    );
    fs::write(folder.join("config"), config).expect("written");
    let account = format!("<sip:phone@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs={name}\n");
    fs::write(folder.join("accounts"), account).expect("written");
    fs::write(folder.join("contacts"), "").expect("written");
    let mut command = Command::new("baresip");
    command.arg("-f").arg(folder).args(["-t", "60"]);
    if let Some(dial) = dial {
        command.args(["-e", &format!("/dial {dial}")]);
    }
    Process::start(&mut command, &folder.join("log"))
}

/// What the phone in this folder heard, as far as it has written it down.
fn heard(folder: &Path) -> Option<Channel> {
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let file = files.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with("-dec.wav"))?;
    let bytes = fs::read(file).ok()?;
    (bytes.len() > 44).then(|| Channel::of_wav(&bytes).swap_remove(0))
}

#[test]
fn phones_with_g722_and_with_opus_talk_to_a_phone_with_g711() {
    for codec in [("g722", "G722"), ("opus", "opus")] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plans = folder.path().join("plans");
        fs::create_dir_all(&plans).expect("a folder");
        fs::write(plans.join("through.plan"), FLOWS).expect("written");
        let (caller_port, called_port) = (free_phone_port(), free_phone_port());
        let tandem = Tandem::start_with(
            &plans,
            &format!(
                "[[trunk]]\nname = \"carrier\"\nsources = [\"127.0.0.1\"]\ndestination = \"127.0.0.1:{called_port}\"\n"
            ),
        );
        let (caller, called) = (folder.path().join("caller"), folder.path().join("called"));
        let mut answering = phone(&called, called_port, ("g711", "PCMA"), CALLED, 30, None);
        let dial = format!("sip:+74950000001@{}", tandem.sip);
        let mut calling = phone(&caller, caller_port, codec, CALLER, 30, Some(&dial));
        wait_for("the call is answered", Duration::from_secs(20), || {
            assert!(calling.is_running(), "{}\n{}", calling.tail(), tandem.log());
            calling.tail().contains("Call established").then_some(())
        });
        std::thread::sleep(Duration::from_secs(6));
        assert!(answering.is_running() && calling.is_running());
        // They write the rest down when they go.
        for phone in [&calling, &answering] {
            phone.signal("-TERM");
        }
        for phone in [&mut calling, &mut answering] {
            let _ = phone.ended(Duration::from_secs(10));
        }
        for (folder, hertz, who) in [(&caller, CALLED, "caller"), (&called, CALLER, "called")] {
            let sound = heard(folder)
                .unwrap_or_else(|| panic!("the {who} heard nothing in {codec:?}\n{}", tandem.log()));
            let seconds = sound.seconds_of(hertz);
            assert!(
                seconds > 4.0,
                "{codec:?}: the {who} heard {hertz} Hz for {seconds} of {} s",
                sound.seconds()
            );
            // From the first of it to the last there is no gap.
            let pieces = sound.hears(hertz, 0.1);
            let (first, last) =
                (pieces.iter().position(|heard| *heard), pieces.iter().rposition(|heard| *heard));
            let (Some(first), Some(last)) = (first, last) else { panic!("{codec:?}: nothing") };
            let gaps = pieces[first..=last].iter().filter(|heard| !**heard).count();
            assert!(gaps <= 2, "{codec:?}: the {who} missed {gaps} tenths of a second");
        }
    }
}
