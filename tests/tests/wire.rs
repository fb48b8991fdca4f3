//! The running server with real peers: SIPp, baresip, Chromium, and hands that type what no peer would.

mod wire {
    mod browser;
    mod calls;
    mod codecs;
    mod conference;
    mod crowd;
    mod flows;
    mod hostile;
    mod http;
    mod kills;
    mod logs;
    mod recordings;
    mod restart;
    mod scenarios;
    mod secure;
    mod softphone;
    mod torture;
    mod transports;
    mod trunks;
}
