"""Writes the music on hold as raw 16-bit samples at 16 kHz to the standard output: 40 s that join seamlessly.

Every note is laid on a ring of samples, so what rings on past the end is heard again at the beginning.
"""

import array
import math
import sys

RATE = 16000
BAR = 5 * RATE
LEVEL = -24.0  # dBFS, RMS

# Eight bars; MIDI numbers, within the band that a telephone carries.
CHORDS = [
    (60, 64, 67, 71),  # C major 7
    (57, 64, 67, 72),  # A minor 7
    (57, 60, 65, 69),  # F major 7
    (59, 62, 67, 69),  # G 6/9
    (60, 64, 67, 74),  # C add 9
    (59, 64, 67, 74),  # E minor 7
    (57, 62, 65, 72),  # D minor 7
    (59, 62, 65, 69),  # G 9
]
# Which note of the chord is picked when, in eighths of a bar; the second turn answers the first.
PICKS = [[(0, 0), (2, 2), (3, 3), (5, 1)], [(0, 1), (1, 2), (4, 3), (6, 2)]]

ring = array.array("d", bytes(8 * BAR * len(CHORDS)))


def note(start, number, length, gain, attack, release, partials, decay=0.0, detune=0.0):
    step = 2 * math.pi * 440.0 * 2 ** ((number - 69) / 12 + detune / 1200) / RATE
    for i in range(length):
        swell = min(1.0, i / attack, (length - i) / release)
        swell = swell * swell * (3 - 2 * swell) * math.exp(-decay * i / RATE)
        tone = sum(g * math.sin(step * k * i) for k, g in partials if step * k < math.pi * 0.8)
        ring[(start + i) % len(ring)] += gain * swell * tone


for bar, chord in enumerate(CHORDS):
    start = bar * BAR
    for number in chord:
        for detune in (-4, 4):
            partials = [(1, 1.0), (2, 0.35), (3, 0.12)]
            note(start, number, BAR + BAR // 3, 0.10, RATE * 3 // 2, RATE * 2, partials, 0.0, detune)
    for eighth, which in PICKS[bar % 2]:
        partials = [(1, 1.0), (2, 0.25), (4, 0.10)]
        note(start + eighth * BAR // 8, chord[which] + 12, 3 * RATE, 0.30, RATE // 100, RATE, partials, 2.2)

rms = math.sqrt(sum(x * x for x in ring) / len(ring))
gain = 32767 * 10 ** (LEVEL / 20) / rms
samples = array.array("h", (round(x * gain) for x in ring))
if sys.byteorder == "big":
    samples.byteswap()
sys.stdout.buffer.write(samples.tobytes())
