//! How good speech is after loss, by PESQ (ITU-T P.862 and P.862.2), where we decode it and make it anew.

use media::api::Channel;
use media::codec::Codec;
use media::library::Pcm;
use media::prompts;
use pesq::score::mos_lqo;

use crate::world::{World, rate};

const LOSSES: [u64; 4] = [1, 3, 5, 10];
const SECONDS: u64 = 16;

/// Who is heard by whom, the least score of the undisturbed sound against what was said, and of the disturbed sound against the
/// undisturbed one at each loss.
const ROWS: [(Codec, Codec, f64, [f64; 4]); 5] = [
    (Codec::Pcmu, Codec::G722, 4.2, [3.8, 3.3, 2.8, 2.1]),
    (Codec::Pcma, Codec::Opus, 4.1, [3.7, 3.1, 2.8, 2.1]),
    (Codec::G722, Codec::Pcma, 4.0, [3.8, 3.2, 2.8, 2.1]),
    (Codec::Opus, Codec::Pcma, 3.4, [4.1, 4.0, 3.8, 3.5]),
    (Codec::Opus, Codec::G722, 2.9, [4.1, 4.0, 3.8, 3.2]),
];

/// A man and a woman, at both rates.
pub fn speech() -> Pcm {
    let files: [&[u8]; 2] = [
        include_bytes!("../../../config/prompts/menu-ru.flac"),
        include_bytes!("../../../config/prompts/queue-ru.flac"),
    ];
    let mut all = Pcm::default();
    for file in files {
        let pcm = prompts::decode(file.to_vec(), "flac").unwrap();
        all.narrow.extend(pcm.narrow);
        all.wide.extend(pcm.wide);
    }
    all
}

/// What the second hears of speech of the first when so many of a hundred packets are lost, at the lower rate of both.
fn heard(from: Codec, to: Codec, lost: u64, speech: &Pcm) -> Vec<i16> {
    let mut world = World::new();
    world.phone(from, 20, Channel::Customer, 1000.0);
    world.phone(to, 20, Channel::Agent, 600.0);
    world.phones[1].hertz = None;
    world.phones[0].speech = if rate(from) == 8000 { speech.narrow.clone() } else { speech.wide.clone() };
    world.connect(0, 1);
    world.loss = lost;
    world.run(SECONDS * 1000);
    world.phones[1].samples_at(rate(from).min(rate(to)))
}

/// As people would rate it, from 1 to 4.5.
fn score(reference: &[i16], degraded: &[i16], rate: u32) -> f64 {
    if rate == 8000 {
        f64::from(mos_lqo(f64::from(pesq::pesq_8k(reference, degraded).unwrap())))
    } else {
        f64::from(pesq::pesq_wb(reference, degraded).unwrap())
    }
}

#[test]
fn speech_stays_good_while_packets_are_lost() {
    let speech = speech();
    let mut table = String::from("MOS-LQO by PESQ      as said   1 %   3 %   5 %  10 % lost\n");
    let mut bad = Vec::new();
    for (from, to, least, leasts) in ROWS {
        let rate = rate(from).min(rate(to));
        let said = if rate == 8000 { &speech.narrow } else { &speech.wide };
        let whole = heard(from, to, 0, &speech);
        let clean = score(&said[..said.len().min(whole.len())], &whole, rate);
        let scores = LOSSES.map(|lost| score(&whole, &heard(from, to, lost, &speech), rate));
        let name = format!("{} to {} ({} kHz)", from.name(), to.name(), rate / 1000);
        let [one, three, five, ten] = scores;
        table += &format!("{name:<21}{clean:>7.2}{one:>6.2}{three:>6.2}{five:>6.2}{ten:>6.2}\n");
        if clean < least || scores.iter().zip(leasts).any(|(score, least)| *score < least) {
            bad.push(name);
        }
    }
    println!("{table}");
    assert!(bad.is_empty(), "{bad:?} are worse than they should be:\n{table}");
}
