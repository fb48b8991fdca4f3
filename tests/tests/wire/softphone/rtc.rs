//! The media of a softphone by the `webrtc` crate: one track of tone out, and every packet that comes kept with its time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::lab::sound::Channel;
use media::codec::{Codec, Decoder, Encoder, MOST_SAMPLES};
use media::tone;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_PCMU, MediaEngine};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp::Packet;
use rtc::rtp::header::Header;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState,
};

const SSRC: u32 = 0x50f7_9403;
const PEAK: f64 = 8000.0;
/// How loud the phones of the lab are.
const PHONES: f64 = 6000.0;
const SOON: Duration = Duration::from_secs(10);

/// A packet that came.
pub struct Got {
    pub at: Instant,
    pub sequence: u16,
    pub ssrc: u32,
    payload: Vec<u8>,
}

#[derive(Default)]
struct Ear {
    got: Mutex<Vec<Got>>,
    connected: Mutex<bool>,
    gathered: Notify,
}

struct Handler(Arc<Ear>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.notify_one();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        *self.0.connected.lock().expect("whole") = state == RTCPeerConnectionState::Connected;
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let ear = self.0.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let Header { sequence_number: sequence, ssrc, .. } = packet.header;
                    let got = Got { at: Instant::now(), sequence, ssrc, payload: packet.payload.to_vec() };
                    ear.got.lock().expect("whole").push(got);
                }
            }
        });
    }
}

/// The peer connection of one call.
pub struct Media {
    runtime: Runtime,
    connection: Arc<dyn PeerConnection>,
    ear: Arc<Ear>,
    codec: Codec,
}

impl Media {
    /// Speaks this codec alone, and says a tone once there is somebody to say it to.
    pub fn new(codec: Codec, hertz: f64) -> Media {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (mime_type, clock_rate, channels, payload_type) = match codec {
            Codec::Opus => (MIME_TYPE_OPUS, 48_000, 2, 111),
            Codec::Pcmu => (MIME_TYPE_PCMU, 8000, 1, 0),
            other => panic!("no {other:?} here"),
        };
        let rtp_codec = RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate,
            channels,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![],
        };
        let coding = RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() };
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: coding,
            codec: rtp_codec.clone(),
            ..Default::default()
        };
        let (kind, name) = (RtpCodecKind::Audio, || "tone".to_owned());
        let track = MediaStreamTrack::new(name(), name(), name(), kind, vec![encoding]);
        let track: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(track));
        let ear = Arc::<Ear>::default();
        let connection = runtime.block_on(async {
            let mut engine = MediaEngine::default();
            let parameters = RTCRtpCodecParameters { rtp_codec, payload_type };
            engine.register_codec(parameters, kind).expect("a codec");
            let connection = PeerConnectionBuilder::new()
                .with_handler(Arc::new(Handler(ear.clone())))
                .with_media_engine(engine)
                .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
                .build()
                .await
                .expect("a connection");
            connection.add_track(track.clone()).await.expect("a track");
            Arc::new(connection) as Arc<dyn PeerConnection>
        });
        runtime.spawn(speak(track, ear.clone(), codec, payload_type, hertz));
        Media { runtime, connection, ear, codec }
    }

    /// The answer to an offer.
    pub fn answer(&self, offer: &str) -> String {
        self.runtime.block_on(async {
            let offer = RTCSessionDescription::offer(offer.to_owned()).expect("an offer that can be read");
            self.connection.set_remote_description(offer).await.expect("an offer that can be answered");
            let answer = self.connection.create_answer(None).await.expect("an answer");
            self.describe(answer).await
        })
    }

    /// Our own offer, of a call or within one.
    pub fn offer(&self) -> String {
        self.runtime.block_on(async {
            let offer = self.connection.create_offer(None).await.expect("an offer");
            self.describe(offer).await
        })
    }

    /// What answers our offer.
    pub fn accept(&self, answer: &str) {
        self.runtime.block_on(async {
            let answer =
                RTCSessionDescription::answer(answer.to_owned()).expect("an answer that can be read");
            self.connection.set_remote_description(answer).await.expect("an answer that fits");
        });
    }

    /// Our description with all candidates: nothing trickles over SIP here.
    async fn describe(&self, own: RTCSessionDescription) -> String {
        let first = self.connection.local_description().await.is_none();
        self.connection.set_local_description(own).await.expect("our own description");
        if first {
            tokio::time::timeout(SOON, self.ear.gathered.notified()).await.expect("candidates");
        }
        self.connection.local_description().await.expect("it was set").sdp
    }

    pub fn is_connected(&self) -> bool {
        *self.ear.connected.lock().expect("whole")
    }

    pub fn count(&self) -> usize {
        self.ear.got.lock().expect("whole").len()
    }

    /// What came from the `from`th packet on.
    pub fn heard(&self, from: usize) -> Heard {
        let got = self.ear.got.lock().expect("whole");
        let got = got.get(from..).unwrap_or_default();
        let rate = rate(self.codec);
        let mut decoder = Decoder::new(self.codec, rate).expect("it can be decoded");
        let mut samples = Vec::new();
        for packet in got {
            let mut buffer = [0; MOST_SAMPLES];
            let length = decoder.decode(&packet.payload, &mut buffer);
            samples.extend_from_slice(&buffer[..length]);
        }
        let (mut lost, mut longest, mut streams) = (0, Duration::ZERO, got.len().min(1));
        for pair in got.windows(2) {
            longest = longest.max(pair[1].at - pair[0].at);
            if pair[0].ssrc == pair[1].ssrc {
                let step = pair[1].sequence.wrapping_sub(pair[0].sequence) as i16;
                lost += usize::try_from(step - 1).unwrap_or(0);
            } else {
                streams += 1;
            }
        }
        Heard { sound: Channel { rate, samples }, packets: got.len(), lost, longest, streams }
    }

    pub fn close(&self) {
        let _ = self.runtime.block_on(self.connection.close());
    }
}

/// A piece of a call as it arrived.
#[derive(Debug)]
pub struct Heard {
    pub sound: Channel,
    pub packets: usize,
    /// Numbers that are missing.
    pub lost: usize,
    /// Between one packet and the next.
    pub longest: Duration,
    pub streams: usize,
}

impl Heard {
    /// How loud a tone is in the middle of it, in decibels against what the phones say.
    pub fn level(&self, hertz: f64) -> f64 {
        let samples = &self.sound.samples;
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        tone::decibels(tone::level(middle, self.sound.rate, hertz), PHONES)
    }

    /// Tenths of a second between the first and the last of this tone in which it is missing.
    pub fn gaps(&self, hertz: f64) -> usize {
        let pieces = self.sound.hears(hertz, 0.1);
        let heard = |piece: &bool| *piece;
        let (first, last) = (pieces.iter().position(heard), pieces.iter().rposition(heard));
        let (Some(first), Some(last)) = (first, last) else { return usize::MAX };
        pieces[first..=last].iter().filter(|heard| !**heard).count()
    }
}

/// Samples a second that are said and heard.
fn rate(codec: Codec) -> u32 {
    codec.prompt_rate().expect("it can be decoded")
}

async fn speak(track: Arc<dyn TrackLocal>, ear: Arc<Ear>, codec: Codec, payload_type: u8, hertz: f64) {
    let rate = rate(codec);
    let mut encoder = Encoder::new(codec, rate, Duration::from_millis(20));
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let (mut sequence, mut said) = (7_u16, 0_usize);
    loop {
        pace.tick().await;
        if !*ear.connected.lock().expect("whole") {
            continue;
        }
        let samples = tone::sine(hertz, rate, PEAK, said, rate as usize / 50);
        let timestamp = (said as u64 * u64::from(codec.clock()) / u64::from(rate)) as u32;
        said += samples.len();
        let mut payload = Vec::new();
        encoder.push(timestamp, &samples, |_, octets| payload = octets.to_vec());
        let header = Header {
            version: 2,
            payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: SSRC,
            ..Default::default()
        };
        sequence = sequence.wrapping_add(1);
        let _ = track.write_rtp(Packet { header, payload: payload.into() }).await;
    }
}
