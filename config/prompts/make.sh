#!/bin/bash
# Speaks the prompts of the table in README.md and composes the music on hold. Only needed when a text changes: the files are
# kept beside the texts. Needs espeak-ng, sox with its MP3 format (libsox-fmt-all) and python3.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

LEVEL=-20 # dBFS, RMS

# Each kind of file that can be played is here at least once; the music is Ogg.
kind() {
    case "$1" in
        bye-ru) echo mp3 ;;
        unclear-ru) echo wav ;;
        *) echo flac ;;
    esac
}

# The voice would stress the first syllable of "до".
as_spoken() {
    sed 's/До свидания/Досвидания/g'
}

# How many dB a file is below (or above) the level.
to_level() {
    sox "$1" -n stats 2>&1 | awk -v level="$LEVEL" '/^RMS lev dB/ { print level - $4 }'
}

grep '^| `' README.md | while IFS='|' read -r _ name text _; do
    name=$(tr -d ' `' <<<"$name")
    as_spoken <<<"$text" | espeak-ng -v ru+f2 -s 140 -p 42 -g 2 --stdin -w "$work/spoken.wav"
    sox -D "$work/spoken.wav" -r 16000 -c 1 -b 16 "$work/trimmed.wav" gain -6 highpass 120 \
        silence 1 0.02 0.5% reverse silence 1 0.02 0.5% fade 0.01 reverse fade 0.01 pad 0.1 0.2
    # The limiter takes a little off the loudest places, so the level is brought right in a second step.
    sox -D "$work/trimmed.wav" "$work/even.wav" gain -l "$(to_level "$work/trimmed.wav")"
    gain=$(to_level "$work/even.wav")
    rm -f "$name".{flac,mp3,wav,ogg}
    # -R: the same bytes each time. 48: the bit rate of MP3; 8: the best compression of FLAC.
    case "$(kind "$name")" in
        mp3) sox -R "$work/even.wav" -C 48 "$name.mp3" gain "$gain" ;;
        wav) sox -R "$work/even.wav" "$name.wav" gain "$gain" ;;
        *) sox -R "$work/even.wav" -C 8 "$name.flac" gain "$gain" ;;
    esac
done

python3 ../music/hold.py | sox -R -t raw -r 16000 -e signed -b 16 -L -c 1 - -C 4 ../music/hold.ogg
