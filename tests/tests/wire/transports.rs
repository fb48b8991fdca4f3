//! The ways to the server that are not plain UDP and TCP over IPv4: TLS with baresip, IPv6 with SIPp.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use e2e::lab::{Process, Tandem, free_phone_port, free_port, wait_for};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_phone_registers_and_calls_over_tls_and_its_binding_ends_with_its_connection() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
    fs::write(&certificate, signed.cert.pem()).expect("written");
    fs::write(&key, signed.signing_key.serialize_pem()).expect("written");
    let port = free_port();
    let mut tandem = Tandem::start(&format!(
        "[[sip.listener]]\ntransport = \"tls\"\nlisten = \"127.0.0.1:{port}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
         [sip]\ndigest = [\"md5\"]\n",
        certificate.display(),
        key.display(),
    ));
    let own = free_phone_port();
    fs::write(
        folder.path().join("config"),
        format!(
            "module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule_app account.so\nmodule_app menu.so\n\
             sip_listen 127.0.0.1:{own}\n"
        ),
    )
    .expect("written");
    let account = format!(
        "<sip:boris@127.0.0.1:{port};transport=tls>;auth_user=desk1;auth_pass=demo-desk1;regint=60\n"
    );
    fs::write(folder.path().join("accounts"), account).expect("written");
    fs::write(folder.path().join("contacts"), "").expect("written");
    let dial = format!("/dial sip:100@127.0.0.1:{port};transport=tls");
    let mut phone = Process::start(
        Command::new("baresip").arg("-f").arg(folder.path()).args(["-e", &dial, "-t", "60"]),
        &folder.path().join("log"),
    );
    wait_for("the phone is registered", SOON, || {
        assert!(phone.is_running(), "{}\n{}", phone.tail(), tandem.log());
        (tandem.metric("tandem_sip_bindings") == Some(1.0)).then_some(())
    });
    wait_for("the call is answered", SOON, || {
        assert!(phone.is_running(), "{}\n{}", phone.tail(), tandem.log());
        phone.tail().contains("Call established").then_some(())
    });
    assert_eq!(tandem.metric("tandem_sip_calls"), Some(1.0));
    drop(phone);
    tandem.settles(&["tandem_sip_bindings"], SOON);
    assert!(tandem.process().is_running());
}

#[test]
fn a_caller_comes_in_over_ipv6() {
    let six = SocketAddr::new("::1".parse().expect("an address"), free_port());
    let tandem = Tandem::start(&format!("[[sip.listener]]\ntransport = \"udp\"\nlisten = \"{six}\"\n"));
    let log = tandem.folder.path().join("sipp.log");
    let mut sipp = Process::start(
        Command::new("sipp")
            .current_dir(tandem.folder.path())
            .args(["-sn", "uac", "-i", "::1", "-mi", "127.0.0.1", "-p", &free_port().to_string()])
            .args(["-s", "+74950000000", "-m", "1", "-d", "500", "-nostdin", "-timeout", "30"])
            .arg(six.to_string()),
        &log,
    );
    let status = sipp.wait(Duration::from_secs(40));
    assert!(status.success(), "{}\n{}", sipp.tail(), tandem.log());
    tandem.settles(&["tandem_sip_calls"], SOON);
}
