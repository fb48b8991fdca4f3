//! Recordings of real calls: SIPp as the carrier and as the desk phones, each with a tone of its own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::lab::sound::Channel;
use e2e::lab::{Api, Sipp, Tandem, free_port, free_ports, rtp, wait_for};
use serde_json::{Value, json};

const CUSTOMER: f64 = 1000.0;
const FIRST: f64 = 440.0;
const SECOND: f64 = 600.0;
const PATIENCE: Duration = Duration::from_secs(30);

const CONFIG: &str = r#"
[sip]
digest = ["md5"]
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "127.0.0.1:9"
[[queue]]
name = "support"
wrap_up = "0s"
"#;

const FLOW: &str = r#"
flow straight {
  entry sip "+74950000000"
  state hello { queue support on full -> sorry }
  state sorry { hangup }
}
"#;

/// A customer who talks to the first of two operators, each at a desk phone of his own.
struct Call {
    tandem: Tandem,
    admin: Api,
    peers: Vec<Sipp>,
    /// Read again at a restart.
    _plans: tempfile::TempDir,
}

impl Call {
    /// `talk`: for how long the first operator talks before he sends the customer on to the second.
    fn start(config: &str, talk: Duration) -> Self {
        Self::start_after(config, talk, |_| {})
    }

    /// The same, with something done before the customer calls.
    fn start_after(config: &str, talk: Duration, prepare: impl FnOnce(&Tandem)) -> Self {
        let plans = tempfile::tempdir().expect("a folder");
        fs::write(plans.path().join("straight.plan"), FLOW).expect("the flow is written");
        let tandem = Tandem::start_with(plans.path(), &format!("{CONFIG}{config}"));
        let admin = tandem.sign_in("admin");
        prepare(&tandem);
        let folder = tandem.folder.path().to_owned();
        let desks: Vec<Api> = ["first", "second"].map(|login| operator(&tandem, &admin, login)).into();
        let media = free_ports();
        for (name, hertz) in [("customer", CUSTOMER), ("first", FIRST), ("operator", SECOND)] {
            rtp::write_speech(&folder.join(format!("{name}.ulaw")), hertz, 2);
        }
        let ports = [free_port(), free_port()];
        for (login, port) in ["first", "second"].into_iter().zip(ports) {
            let account = format!("{login};[authentication username={login} password={login}-secret]");
            let done =
                Sipp::start("register", &folder, tandem.sip, port, &[account], &["-m", "1"]).finish(PATIENCE);
            assert_eq!(done, 1);
        }
        let millis = talk.as_millis().to_string();
        let media = |nth: u16| (media + nth * 100).to_string();
        let (first, second, caller) = (media(0), media(1), media(2));
        let start = |scenario: &str, port: u16, fields: &str, arguments: &[&str]| {
            Sipp::start(scenario, &folder, tandem.sip, port, &[fields.to_owned()], arguments)
        };
        let mut peers = vec![
            start(
                "recorded_operator",
                ports[0],
                "none",
                &["-d", &millis, "-key", "colleague", "second", "-m", "1", "-mp", &first],
            ),
            start("agent", ports[1], "none", &["-m", "1", "-mp", &second]),
        ];
        for port in ports {
            wait_for("the desk phones listen", PATIENCE, || {
                std::net::UdpSocket::bind(("127.0.0.1", port)).is_err().then_some(())
            });
        }
        desks[0].ready();
        peers.push(start("recorded_caller", free_port(), "+79001112233", &["-m", "1", "-mp", &caller]));
        let call = Self { tandem, admin, peers, _plans: plans };
        call.told("leg_answered", 2);
        // Not before, for the customer shall be offered to the first.
        desks[1].ready();
        call
    }

    fn session(&self) -> Option<Value> {
        self.tandem.sessions(&self.admin).into_iter().next()
    }

    /// Waits until the journal has so many entries of a kind; the last one.
    fn told(&self, kind: &str, count: usize) -> Value {
        wait_for(&format!("{count} {kind}"), PATIENCE, || {
            let session = self.session()?;
            let entries = session["entries"].as_array()?;
            let found: Vec<&Value> = entries.iter().filter(|entry| entry["change"]["type"] == kind).collect();
            (found.len() >= count).then(|| found[count - 1]["change"].clone())
        })
    }

    fn pause(&self, paused: bool) {
        let session = self.session().expect("it is open");
        let path = format!("/sessions/{}/recording", session["session"].as_str().expect("an id"));
        let (status, body) = self.admin.post(&path, &json!({ "paused": paused }));
        assert_eq!(status, 200, "{body}");
    }
}

fn operator(tandem: &Tandem, admin: &Api, login: &str) -> Api {
    let user = json!({
        "login": login, "name": login, "password": format!("{login}-secret"), "roles": ["operator"],
        "queues": ["support"], "capacity": { "voice": 1, "chat": 0 }, "sip_password": format!("{login}-secret"),
    });
    let (status, body) = admin.post("/users", &user);
    assert_eq!(status, 201, "{body}");
    Api::sign_in(tandem.http, login, &format!("{login}-secret"))
}

#[test]
fn a_transferred_call_is_one_recording_with_everybody_in_his_place_and_a_pause_is_silence() {
    let mut call = Call::start("", Duration::from_secs(5));
    call.told("recording_started", 1);
    std::thread::sleep(Duration::from_secs(1));
    call.pause(true);
    std::thread::sleep(Duration::from_secs(1));
    call.pause(false);
    call.peers.iter_mut().for_each(|peer| assert_eq!(peer.finish(PATIENCE), 1, "{}", peer.errors()));
    let millis = call.told("recording_ended", 1)["millis"].as_u64().expect("its length");
    let who = call.told("recording_paused", 2);
    assert_eq!((&who["paused"], &who["by"]["who"]), (&json!(false), &json!("agent")), "{who}");
    let session = call.session().expect("it is there");
    let recordings = session["recordings"].as_array().expect("a list");
    assert_eq!(recordings.len(), 1, "{recordings:?}");
    let id = recordings[0]["recording"].as_str().expect("an id");

    let audio = call.admin.bytes(&format!("/recordings/{id}/audio"));
    let channels = Channel::of_wav(&audio);
    let [left, right] = channels.as_slice() else { panic!("{} channels", channels.len()) };
    assert!((left.seconds() - millis as f64 / 1000.0).abs() < 0.1, "{} s and {millis} ms", left.seconds());
    // The pause: as long as it was, and not a sound in it.
    let longest = |channel: &Channel| {
        let silences = channel.samples.split(|sample| *sample != 0).map(<[i16]>::len);
        silences.max().unwrap_or(0) as f64 / 8000.0
    };
    for channel in [left, right] {
        let longest = longest(channel);
        assert!((0.9..2.5).contains(&longest), "silent for {longest} s");
    }
    let missing = left.seconds() - left.seconds_of(CUSTOMER) - longest(left);
    assert!(missing < 0.6, "the customer is missing for {missing} s more than the pause");
    let (first, second) = (right.hears(FIRST, 0.1), right.hears(SECOND, 0.1));
    let last_of_first = first.iter().rposition(|heard| *heard).expect("the first operator is heard");
    let first_of_second = second.iter().position(|heard| *heard).expect("the second operator is heard");
    assert!(last_of_first < first_of_second, "one after the other");
    assert!(right.seconds_of(FIRST) > 3.0 && right.seconds_of(SECOND) > 0.6);
    assert!(left.seconds_of(FIRST) + left.seconds_of(SECOND) < 0.2, "operators on the left");
    assert!(right.seconds_of(CUSTOMER) < 0.2, "the customer on the right");

    let peaks = call.admin.get(&format!("/recordings/{id}/peaks"));
    let lanes = peaks["channels"].as_array().expect("lanes");
    assert_eq!((lanes.len(), lanes[0].as_array().map(Vec::len)), (2, Some(400)));
    assert!(lanes[0].as_array().expect("columns").contains(&json!(0)), "the pause is seen");
}

#[test]
fn a_killed_server_leaves_recordings_that_play_to_their_last_second_and_closes_them_when_it_is_back() {
    for format in ["wav", "opus"] {
        let mut call = Call::start(&format!("[recording]\nformat = \"{format}\"\n"), Duration::from_secs(60));
        let started = call.told("recording_started", 1);
        std::thread::sleep(Duration::from_secs(4));
        call.tandem.kill();
        call.peers.clear();
        let name = started["file"].as_str().expect("its name");
        let file = call.tandem.folder.path().join(name);
        assert_eq!(file.extension().and_then(|extension| extension.to_str()), Some(format));
        let left = fs::read(&file).expect("it is there");
        if format == "wav" {
            let channels = Channel::of_wav(&left);
            assert!(channels[0].seconds() > 2.8, "{} s", channels[0].seconds());
            assert!(channels[0].seconds_of(CUSTOMER) > 2.4 && channels[1].seconds_of(FIRST) > 2.4);
        }
        call.tandem.launch();
        call.admin = call.tandem.sign_in("admin");
        let ended = call.told("recording_ended", 1);
        let millis = ended["millis"].as_u64().expect("its length");
        assert!((2800..7000).contains(&millis), "{format}: {millis} ms");
        // His call was broken: he is called back.
        call.told("callback_promised", 1);
        let session = call.session().expect("it is there");
        let id = session["recordings"][0]["recording"].as_str().expect("an id");
        let peaks = call.admin.get(&format!("/recordings/{id}/peaks"));
        assert!(peaks["millis"].as_u64().is_some_and(|shown| shown.abs_diff(millis) < 50), "{peaks}");
        let loudest = |lane: usize| {
            peaks["channels"][lane].as_array().and_then(|lane| lane.iter().filter_map(Value::as_u64).max())
        };
        assert!(loudest(0) > Some(20) && loudest(1) > Some(20), "{peaks}");
        assert!(call.admin.bytes(&format!("/recordings/{id}/audio")).starts_with(if format == "wav" {
            b"RIFF"
        } else {
            b"OggS"
        }));
    }
}

#[test]
fn a_folder_that_cannot_be_written_raises_an_alarm_and_ends_no_call() {
    let talk = Duration::from_secs(2);
    let mut call = Call::start_after("", talk, |tandem| {
        let folder = tandem.folder.path().join("recordings");
        fs::remove_dir_all(&folder).expect("it was made at the start");
        fs::write(&folder, b"in the way").expect("it is in the way");
    });
    let failed = call.told("recording_failed", 1);
    assert!(failed["why"].as_str().is_some_and(|why| why.contains("recordings")), "{failed}");
    check_alarm(&call);
    call.peers.iter_mut().for_each(|peer| assert_eq!(peer.finish(PATIENCE), 1, "{}", peer.errors()));
}

#[test]
fn a_full_disk_leaves_what_fits_and_ends_no_call() {
    let talk = Duration::from_secs(5);
    let mut disk = None;
    let mut call =
        Call::start_after("", talk, |tandem| disk = Disk::mount(&tandem.folder.path().join("recordings")));
    let Some(disk) = disk else {
        eprintln!(
            "nothing can be mounted here: what a full disk does is shown by the recorder's own tests alone"
        );
        return;
    };
    let failed = call.told("recording_failed", 1);
    assert!(failed["why"].as_str().is_some_and(|why| why.contains("space")), "{failed}");
    assert!(failed["millis"].as_u64().is_some_and(|millis| (2000..=4100).contains(&millis)), "{failed}");
    check_alarm(&call);
    call.peers.iter_mut().for_each(|peer| assert_eq!(peer.finish(PATIENCE), 1, "{}", peer.errors()));
    let id = failed["recording"].as_str().expect("an id");
    let channels = Channel::of_wav(&call.admin.bytes(&format!("/recordings/{id}/audio")));
    assert!(channels[0].seconds_of(CUSTOMER) > 1.5, "what fits plays");
    drop(call);
    drop(disk);
}

fn check_alarm(call: &Call) {
    let alarm = call.admin.get("/recordings/alarm");
    assert!(alarm["failed"].as_u64() >= Some(1), "{alarm}");
    assert_eq!(call.tandem.metric("tandem_recording_alarm"), Some(1.0));
    assert!(call.tandem.metric("tandem_recordings_failed_total") >= Some(1.0));
}

/// A disk of 128 KiB, where tests may mount one.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Option<Disk> {
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"]).arg(folder).output();
        done.is_ok_and(|done| done.status.success()).then(|| Disk(folder.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
