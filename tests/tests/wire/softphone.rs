//! A softphone that is no browser and not ours: SIP over WebSocket, and the `webrtc` crate for ICE, DTLS-SRTP and RTP. What it and
//! the phones heard of each other is measured.

mod rtc;
mod sip;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use e2e::lab::sound::Channel;
use e2e::lab::{Api, Baresip, Tandem, wait_for};
use media::codec::Codec;
use rtc::{Heard, Media};
use serde_json::json;
use sip::Sip;

const SOON: Duration = Duration::from_secs(30);
const PLAN: &str = r#"
flow support {
  entry sip "+74950000000"
  state waiting {
    queue support { voice music "hold" }
    on overflow -> busy
  }
  state busy { hangup }
}
route outbound { to "*" via trunk "carrier" }
"#;

const CUSTOMER: f64 = 1000.0;
const OPERATOR: f64 = 440.0;
const THIRD: f64 = 1500.0;

/// A server, an operator whose phone is the softphone, and a customer who is talking to him.
struct Call {
    tandem: Tandem,
    media: Media,
    sip: Sip,
    customer: Baresip,
    third: Option<Baresip>,
    _operator: Api,
}

impl Call {
    fn begin(folder: &Path, own: Codec, customer: &str, third: bool) -> Call {
        let plans = folder.join("plans");
        fs::create_dir_all(&plans).expect("a folder");
        fs::write(plans.join("support.plan"), PLAN).expect("written");
        let account = |number: &str, codec: &str| {
            format!("<sip:{number}@127.0.0.1:PORT>;regint=0;answermode=auto;audio_codecs={codec}\n")
        };
        let third = third.then(|| {
            Baresip::with_account(&folder.join("third"), &account("+79005556677", "PCMA/8000/1"), THIRD, None)
        });
        let destination = third.as_ref().map_or("127.0.0.1:9".to_owned(), |phone| phone.address.to_string());
        let config = format!(
            "[[trunk]]\nname = \"carrier\"\nsources = [\"127.0.0.1\"]\ndestination = \"{destination}\"\n\
             [[queue]]\nname = \"support\"\n"
        );
        let tandem = Tandem::start_with(&plans, &config);
        let admin = tandem.sign_in("admin");
        let user = json!({
            "login": "ada", "name": "Ada", "password": "a-secret-of-ada", "roles": ["operator"],
            "queues": ["support"], "capacity": { "voice": 1, "chat": 0 },
        });
        let (status, body) = admin.post("/users", &user);
        assert_eq!(status, 201, "{body}");
        let operator = Api::sign_in(tandem.http, "ada", "a-secret-of-ada");
        let mut sip = Sip::register(tandem.http, &operator);
        operator.ready();
        let media = Media::new(own, OPERATOR);
        let dial = format!("sip:+74950000000@{}", tandem.sip);
        let customer = Baresip::with_account(
            &folder.join("customer"),
            &account("+79001112233", customer),
            CUSTOMER,
            Some(&dial),
        );
        let invite = sip.ringing();
        let offer = invite.split_once("\r\n\r\n").expect("a body").1;
        let answer = media.answer(offer);
        sip.accept(&invite, &answer);
        wait_for("the softphone is connected", SOON, || media.is_connected().then_some(()));
        wait_for("sound comes", SOON, || (media.count() > 50).then_some(()));
        Call { tandem, media, sip, customer, third, _operator: operator }
    }
}

/// Nothing but this tone, as loud as it was said, without a hole.
fn is_clean(heard: &Heard, hertz: f64, seconds: f64, what: &str) {
    let told = format!("{what}: {} packets, {} lost, {:?} apart", heard.packets, heard.lost, heard.longest);
    assert!(heard.sound.seconds_of(hertz) > seconds - 0.3, "{told}, {} s", heard.sound.seconds_of(hertz));
    assert!(heard.level(hertz).abs() < 2.0, "{told}, {} dB", heard.level(hertz));
    assert_eq!((heard.gaps(hertz), heard.lost, heard.streams), (0, 0, 1), "{told}");
    assert!(heard.longest < Duration::from_millis(150), "{told}");
}

#[test]
fn a_softphone_of_another_make_and_phones_hear_each_other_in_every_pair_of_codecs() {
    for (own, customer) in
        [(Codec::Opus, "opus/48000/2"), (Codec::Pcmu, "opus/48000/2"), (Codec::Pcmu, "PCMU/8000/1")]
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let call = Call::begin(folder.path(), own, customer, false);
        let from = call.media.count();
        sleep(Duration::from_secs(4));
        let heard = call.media.heard(from);
        is_clean(&heard, CUSTOMER, 4.0, &format!("{own:?} ← {customer}"));
        let there = call.customer.heard();
        assert!(there.seconds_of(OPERATOR) > 3.5, "{own:?} → {customer}: {} s", there.seconds_of(OPERATOR));
        wait_for("the softphone is told of the end", SOON, || {
            call.sip.over.load(Ordering::Relaxed).then_some(())
        });
        call.media.close();
        call.tandem.settles(&["tandem_sip_calls", "tandem_legs"], SOON);
    }
}

#[test]
fn a_softphone_of_another_make_holds_resumes_and_transfers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Call { tandem, media, mut sip, customer, third, .. } =
        Call::begin(folder.path(), Codec::Opus, "PCMU/8000/1", true);
    let third = third.expect("it was asked for");
    let from = media.count();
    sleep(Duration::from_secs(3));
    is_clean(&media.heard(from), CUSTOMER, 3.0, "before");

    let held = media.offer();
    let answer = sip.reinvite(&held.replace("a=sendrecv", "a=sendonly"));
    assert!(answer.contains("a=recvonly"), "{answer}");
    media.accept(&answer);
    sleep(Duration::from_millis(300));
    let from = media.count();
    sleep(Duration::from_secs(3));
    assert_eq!(media.heard(from).sound.seconds_of(CUSTOMER), 0.0, "who holds hears nobody");

    let resumed = media.offer();
    let answer = sip.reinvite(&resumed);
    media.accept(&answer);
    sleep(Duration::from_millis(500));
    let from = media.count();
    sleep(Duration::from_secs(3));
    is_clean(&media.heard(from), CUSTOMER, 3.0, "after the hold");

    let refer = format!(
        "Refer-To: <sip:+79005556677@{}>\r\nContact: <sip:soft@softphone.invalid;transport=ws>\r\n",
        tandem.sip.ip()
    );
    let answer = sip.within("REFER", &refer, "");
    assert!(answer.starts_with("SIP/2.0 202"), "{answer}");
    wait_for("the third has the call", SOON, || third.log().contains("Call established").then_some(()));
    wait_for("the softphone is out of it", SOON, || sip.over.load(Ordering::Relaxed).then_some(()));
    media.close();
    sleep(Duration::from_secs(4));

    let heard = customer.heard();
    let there = third.heard();
    let order = order(&heard);
    assert_eq!(order, ["operator", "else", "operator", "third"], "what the customer heard");
    assert!(there.seconds_of(CUSTOMER) > 3.0, "the third heard him for {} s", there.seconds_of(CUSTOMER));
    tandem.settles(&["tandem_sip_calls", "tandem_legs"], SOON);
}

/// Whom the customer heard from the first word of the operator on; what lasts half a second at least.
fn order(heard: &Channel) -> Vec<&'static str> {
    let (operator, third) = (heard.hears(OPERATOR, 0.1), heard.hears(THIRD, 0.1));
    let who = |(operator, third): (&bool, &bool)| match (operator, third) {
        (true, _) => "operator",
        (_, true) => "third",
        _ => "else",
    };
    let pieces: Vec<_> = operator.iter().zip(&third).map(who).skip_while(|who| *who == "else").collect();
    let mut order: Vec<&str> = Vec::new();
    for run in pieces.chunk_by(|a, b| a == b).filter(|run| run.len() >= 5) {
        if order.last() != Some(&run[0]) {
            order.push(run[0]);
        }
    }
    // The call may end in silence, and the transfer has music in it.
    if order.last() == Some(&"else") {
        order.pop();
    }
    if let [before @ .., "operator", "else", "third"] = &order[..] {
        order = [before, &["operator", "third"]].concat();
    }
    order
}
