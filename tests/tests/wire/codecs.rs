//! Phones that speak other codecs than each other: baresip with G.722 or Opus calls baresip with PCMA through us, and each hears the
//! other's tone.

use std::fs;
use std::time::Duration;

use e2e::lab::{Baresip, Tandem, wait_for};

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

#[test]
fn phones_with_g722_and_with_opus_talk_to_a_phone_with_g711() {
    for codec in ["G722/16000/1", "opus/48000/2"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plans = folder.path().join("plans");
        fs::create_dir_all(&plans).expect("a folder");
        fs::write(plans.join("through.plan"), FLOWS).expect("written");
        let account = |codec: &str| {
            format!("<sip:+79005556677@127.0.0.1:PORT>;regint=0;answermode=auto;audio_codecs={codec}\n")
        };
        let called =
            Baresip::with_account(&folder.path().join("called"), &account("PCMA/8000/1"), CALLED, None);
        let trunk = format!(
            "[[trunk]]\nname = \"carrier\"\nsources = [\"127.0.0.1\"]\ndestination = \"{}\"\n",
            called.address
        );
        let tandem = Tandem::start_with(&plans, &trunk);
        let dial = format!("sip:+74950000001@{}", tandem.sip);
        let mut caller =
            Baresip::with_account(&folder.path().join("caller"), &account(codec), CALLER, Some(&dial));
        wait_for("the call is answered", Duration::from_secs(20), || {
            assert!(caller.is_running(), "{codec}:\n{}\n{}\n{}", caller.log(), called.log(), tandem.log());
            caller.log().contains("Call established").then_some(())
        });
        std::thread::sleep(Duration::from_secs(6));
        for (phone, hertz, who) in [(caller, CALLED, "caller"), (called, CALLER, "called")] {
            let sound = phone.heard();
            let seconds = sound.seconds_of(hertz);
            let whole = sound.seconds();
            assert!(seconds > 4.0, "{codec}: the {who} heard {hertz} Hz for {seconds} of {whole} s");
            // From the first of it to the last there is no gap.
            let pieces = sound.hears(hertz, 0.1);
            let heard = |piece: &bool| *piece;
            let (first, last) = (pieces.iter().position(heard), pieces.iter().rposition(heard));
            let (Some(first), Some(last)) = (first, last) else { panic!("{codec}: nothing") };
            let gaps = pieces[first..=last].iter().filter(|heard| !**heard).count();
            assert!(gaps <= 2, "{codec}: the {who} missed {gaps} tenths of a second");
        }
    }
}
