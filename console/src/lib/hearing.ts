/** Which of the parties of a recording are heard. */
export type Hearing = {
  /** One of them alone in both ears, or each where he belongs: the first on the left, the second on the right, others in the middle. */
  only(party: number | null): void;
  /** The element is gone: gives back what the browser holds for its sound, of which it has few. */
  close(): void;
};

/** Leads the sound of the element through channels that can be chosen. To be called once for an element. */
export function hear(element: HTMLMediaElement, parties: number): Hearing {
  const context = new AudioContext();
  const source = context.createMediaElementSource(element);
  const splitter = context.createChannelSplitter(parties);
  const merger = context.createChannelMerger(2);
  source.connect(splitter);
  merger.connect(context.destination);
  const gains = Array.from({ length: parties }, (_, party) =>
    [0, 1].map((side) => {
      const gain = context.createGain();
      splitter.connect(gain, party);
      gain.connect(merger, 0, side);
      return gain;
    }),
  );
  const only = (chosen: number | null) => {
    void context.resume();
    for (const [party, sides] of gains.entries()) {
      for (const [side, gain] of sides.entries()) gain.gain.value = share(party, side, chosen);
    }
  };
  only(null);
  return { only, close: () => void context.close() };
}

/** How loud a party is on a side. */
export function share(party: number, side: number, chosen: number | null): number {
  if (chosen !== null) return party === chosen ? 1 : 0;
  return party > 1 ? 0.7 : party === side ? 1 : 0;
}
