//! How voice legs sounded, by trunk.

use model::{Quality, Way};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Bounds of the buckets. ITU-T G.107 Annex B has 2.6 (nearly all dissatisfied), 3.1, 3.6, 4.0 and 4.3 (very satisfied).
const SCORES: [f64; 6] = [1.5, 2.6, 3.1, 3.6, 4.0, 4.3];
const PERCENT: [f64; 7] = [0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0];
const SECONDS: [f64; 7] = [0.005, 0.01, 0.02, 0.04, 0.1, 0.2, 0.4];

/// `trunk` is a name of the configuration; `-` for phones and browsers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfLine {
    trunk: String,
    /// `in`: from the peer, `out`: as the peer reports.
    direction: &'static str,
}

type Figures = Family<OfLine, Histogram, fn() -> Histogram>;

/// Counted once for each leg, at its end.
#[derive(Clone, Debug)]
pub struct Sound {
    score: Figures,
    loss: Figures,
    jitter: Figures,
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            score: Family::new_with_constructor(|| Histogram::new(SCORES)),
            loss: Family::new_with_constructor(|| Histogram::new(PERCENT)),
            jitter: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }
}

impl Sound {
    pub fn note(&self, trunk: Option<String>, quality: &Quality) {
        let trunk = trunk.unwrap_or_else(|| "-".to_owned());
        let heard = [("in", Some(quality.from_peer)), ("out", quality.to_peer)];
        for (direction, way) in heard {
            let Some(Way { mos, loss_percent, jitter_millis }) = way else { continue };
            let of = OfLine { trunk: trunk.clone(), direction };
            self.score.get_or_create(&of).observe(mos.into());
            self.loss.get_or_create(&of).observe(loss_percent.into());
            self.jitter.get_or_create(&of).observe(f64::from(jitter_millis) / 1000.0);
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        let score = "Mean opinion score of each voice leg (G.107), at its end";
        registry.register("media_mos", score, self.score.clone());
        let loss = "Lost packets of each voice leg in percent, at its end";
        registry.register("media_loss_percent", loss, self.loss.clone());
        let jitter = "Interarrival jitter of each voice leg, at its end";
        registry.register("media_jitter_seconds", jitter, self.jitter.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_each_trunk_has_its_own_figures() {
        let sound = Sound::default();
        let way = Way { mos: 4.2, loss_percent: 2.0, jitter_millis: 15 };
        sound.note(
            Some("carrier".to_owned()),
            &Quality { from_peer: way, to_peer: Some(way), round_trip_millis: 9 },
        );
        sound.note(None, &Quality { from_peer: way, to_peer: None, round_trip_millis: 0 });
        let mut registry = Registry::default();
        sound.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        for line in [
            "media_mos_bucket{le=\"4.0\",trunk=\"carrier\",direction=\"in\"} 0",
            "media_mos_bucket{le=\"4.3\",trunk=\"carrier\",direction=\"out\"} 1",
            "media_loss_percent_sum{trunk=\"-\",direction=\"in\"} 2.0",
            "media_jitter_seconds_count{trunk=\"-\",direction=\"in\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("trunk=\"-\",direction=\"out\""), "{text}");
    }
}
