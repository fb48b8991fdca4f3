//! Four phones (baresip) in one conversation: a customer, his operator, a guest and a supervisor. Each speaks a tone of his own;
//! what each heard is measured.

use std::thread::sleep;
use std::time::Duration;

use e2e::lab::sound::Channel;
use e2e::lab::{Api, Baresip, Tandem, wait_for};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const CONFIG: &str = r#"
[sip]
digest = ["md5"]
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "127.0.0.1:9"
[[queue]]
name = "support"
"#;
const PLAN: &str = r#"
flow support {
  entry sip "+74950000000"
  entry chat "main"
  state waiting {
    queue support { voice music "hold" }
    on overflow -> busy
  }
  state busy { close "Later" { voice file "bye-ru" } }
}
"#;

const CUSTOMER: f64 = 1000.0;
const OPERATOR: f64 = 440.0;
const GUEST: f64 = 1500.0;
const SUPERVISOR: f64 = 700.0;

/// Seconds in each part of the call.
const THREE: u64 = 4;
const WHISPER: u64 = 4;
const BARGE: u64 = 3;

#[test]
fn four_phones_hear_in_a_conference_whom_they_are_to_hear_and_nobody_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("plan.plan"), PLAN).expect("written");
    let tandem = Tandem::start_with(folder.path(), CONFIG);
    let admin = tandem.sign_in("admin");
    let person = |login: &str, role: &str| {
        let password = format!("a-secret-of-{login}");
        let user = json!({
            "login": login, "name": login, "password": password, "roles": [role],
            "queues": if role == "operator" { json!(["support"]) } else { json!([]) },
            "capacity": { "voice": 1, "chat": 0 }, "sip_password": password,
        });
        let (status, body) = admin.post("/users", &user);
        assert_eq!(status, 201, "{body}");
        Api::sign_in(tandem.http, login, &password)
    };
    let (operator, guest, supervisor) =
        (person("ada", "operator"), person("ben", "operator"), person("sue", "supervisor"));
    let desk_phone = |login: &str, hertz: f64| {
        let account = format!(
            "<sip:{login}@{}>;auth_user={login};auth_pass=a-secret-of-{login};regint=60;answermode=auto;audio_codecs=PCMU/8000/1\n",
            tandem.sip
        );
        Baresip::with_account(&folder.path().join(login), &account, hertz, None)
    };
    let mut phones = [("ada", OPERATOR), ("ben", GUEST), ("sue", SUPERVISOR)]
        .map(|(login, hertz)| desk_phone(login, hertz));
    wait_for("the phones are registered", SOON, || {
        assert!(phones.iter_mut().all(Baresip::is_running), "{}", phones[0].log());
        (tandem.metric("tandem_sip_bindings") == Some(3.0)).then_some(())
    });

    operator.ready();
    let account = "<sip:+79001112233@127.0.0.1:PORT>;regint=0;audio_codecs=PCMA/8000/1\n";
    let dial = format!("sip:+74950000000@{}", tandem.sip);
    let customer = Baresip::with_account(&folder.path().join("customer"), account, CUSTOMER, Some(&dial));
    wait_for("the operator has the call", SOON, || {
        (parts_up(&operator) == ["customer", "partner"]).then_some(())
    });
    let id = operator.get("/desk")["sessions"][0]["session"].as_str().expect("an id").to_owned();

    guest.ready();
    operator.desk(&json!({ "command": "add_party", "session": id, "to": "ben" }));
    wait_for("the guest is in it", SOON, || {
        (parts_up(&operator) == ["customer", "partner", "guest"]).then_some(())
    });
    sleep(Duration::from_secs(THREE));
    let path = format!("/sessions/{id}/supervision");
    let (status, body) = supervisor.put(&path, &json!({ "mode": "whisper" }));
    assert_eq!(status, 200, "{body}");
    wait_for("the supervisor is in it", SOON, || {
        (supervisor.get("/desk")["supervising"]["up"] == json!(true)).then_some(())
    });
    sleep(Duration::from_secs(WHISPER));
    assert_eq!(supervisor.put(&path, &json!({ "mode": "barge" })).0, 200);
    sleep(Duration::from_secs(BARGE));

    let [ada, ben, sue] = phones;
    let [ada, ben, sue, customer] = [ada, ben, sue, customer].map(Baresip::heard);
    let all = (THREE + WHISPER + BARGE) as f64;
    let late = (WHISPER + BARGE) as f64;
    // What is heard begins and ends with a moment of signalling.
    let about = |heard: &Channel, hertz: f64, least: f64, most: f64, who: &str| {
        let seconds = seconds_of(heard, hertz);
        assert!(
            (least - 1.5..=most + 3.0).contains(&seconds),
            "{who}: {seconds} s of {hertz} Hz, not {least} to {most}"
        );
    };
    let long = all + 30.0;
    about(&customer, OPERATOR, all, long, "the customer of the operator");
    about(&customer, GUEST, all, long, "the customer of the guest");
    about(&customer, SUPERVISOR, BARGE as f64, BARGE as f64, "the customer of the supervisor");
    about(&ada, CUSTOMER, all, long, "the operator of the customer");
    about(&ada, GUEST, all, long, "the operator of the guest");
    about(&ada, SUPERVISOR, late, late, "the operator of the supervisor");
    about(&ben, CUSTOMER, all, long, "the guest of the customer");
    about(&ben, OPERATOR, all, long, "the guest of the operator");
    about(&ben, SUPERVISOR, BARGE as f64, BARGE as f64, "the guest of the supervisor");
    for hertz in [CUSTOMER, OPERATOR, GUEST] {
        about(&sue, hertz, late, long, "the supervisor");
    }
    for (heard, own) in [(&customer, CUSTOMER), (&ada, OPERATOR), (&ben, GUEST), (&sue, SUPERVISOR)] {
        let seconds = seconds_of(heard, own);
        assert!(seconds < 0.3, "{seconds} s of somebody's own {own} Hz");
    }

    let recorded = wait_for("the recording is whole", SOON, || {
        let row = admin.get("/recordings")[0].clone();
        row["millis"].is_number().then(|| row["recording"].as_str().map(str::to_owned)).flatten()
    });
    let recorded = Channel::of_wav(&admin.bytes(&format!("/recordings/{recorded}/audio")));
    let most = |hertz| recorded.iter().map(|channel| seconds_of(channel, hertz)).fold(0.0, f64::max);
    assert!(most(OPERATOR) > all - 1.0 && most(CUSTOMER) > all - 1.0 && most(GUEST) > all - 1.0);
    let supervisor = most(SUPERVISOR);
    assert!((1.0..=BARGE as f64 + 2.0).contains(&supervisor), "{supervisor} s of a supervisor who whispered");

    let session = admin.get(&format!("/sessions/{id}"));
    let changes = session["entries"].as_array().expect("entries").iter().map(|entry| &entry["change"]);
    let modes: Vec<&Value> =
        changes.filter(|change| change["type"] == "supervised").map(|change| &change["mode"]).collect();
    assert_eq!(modes, [&json!("whisper"), &json!("barge"), &Value::Null], "who listened, how and when");
}

/// Who is on the line in the operator's one session.
fn parts_up(operator: &Api) -> Vec<String> {
    let desk = operator.get("/desk");
    let legs = desk["sessions"][0]["legs"].as_array().cloned().unwrap_or_default();
    let up = legs.iter().filter(|leg| leg["state"] == "up");
    up.filter_map(|leg| leg["part"].as_str().map(str::to_owned)).collect()
}

/// Seconds in which this tone is there, whatever else is.
fn seconds_of(heard: &Channel, hertz: f64) -> f64 {
    let length = heard.rate as usize / 5;
    let there = |piece: &&[i16]| media::tone::level(piece, heard.rate, hertz) > 2000.0;
    heard.samples.chunks_exact(length).filter(there).count() as f64 / 5.0
}
