// What is heard: the strength of single tones (Goertzel), in WAV files that may still be growing.
import fs from "node:fs";

/** Writes a mono WAV of a steady tone. */
export function writeTone(file, hertz, seconds, rate) {
  const samples = new Int16Array(rate * seconds);
  for (let i = 0; i < samples.length; i += 1) samples[i] = 9000 * Math.sin((2 * Math.PI * hertz * i) / rate);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples.byteLength, 40);
  fs.writeFileSync(file, Buffer.concat([head, Buffer.from(samples.buffer)]));
}

/** All of a mono 16-bit WAV file, whatever its header says of its length. */
export function read(file) {
  const bytes = fs.readFileSync(file);
  if (bytes.length < 44) return { rate: 8000, samples: new Int16Array() };
  const channels = bytes.readUInt16LE(22);
  const rate = bytes.readUInt32LE(24);
  const width = bytes.readUInt16LE(34) / 8;
  if (channels !== 1 || width !== 2) throw new Error(`${file}: ${channels} channels of ${width} octets`);
  const end = 44 + ((bytes.length - 44) & ~1);
  return { rate, samples: new Int16Array(bytes.buffer.slice(bytes.byteOffset + 44, bytes.byteOffset + end)) };
}

/** The last `seconds` of it. */
export function tail(file, seconds) {
  const { rate, samples } = read(file);
  return { rate, samples: samples.subarray(-Math.floor(rate * seconds)) };
}

/** What is heard from a place on, in pieces of a tenth of a second. */
export function pieces({ rate, samples }, from) {
  const length = rate / 10;
  const count = Math.floor((samples.length - from) / length);
  return Array.from({ length: count }, (_, nth) => {
    const at = from + nth * length;
    return { rate, samples: samples.subarray(at, at + length) };
  });
}

/** The share of the whole power that stands at one frequency, 0 to 1, and the loudness of all in dBFS. */
export function listen({ rate, samples }, hertz) {
  let power = 0;
  for (const sample of samples) power += (sample / 32768) ** 2;
  const level = samples.length > 0 && power > 0 ? 10 * Math.log10(power / samples.length) : -100;
  const w = (2 * Math.PI * hertz) / rate;
  let [a, b] = [0, 0];
  for (const sample of samples) [a, b] = [sample / 32768 + 2 * Math.cos(w) * a - b, a];
  const found = (2 * (a * a + b * b - 2 * Math.cos(w) * a * b)) / Math.max(1, samples.length);
  return { share: power > 0 ? found / power : 0, level };
}
