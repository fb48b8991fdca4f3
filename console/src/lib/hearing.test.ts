import { expect, it, vi } from "vitest";
import { hear, share } from "./hearing";

it("gives the sound back when its player is gone", () => {
  const close = vi.fn(() => Promise.resolve());
  const node = () => ({ connect: vi.fn(), gain: { value: 0 } });
  class Sound {
    close = close;
    resume = () => Promise.resolve();
    createMediaElementSource = node;
    createChannelSplitter = node;
    createChannelMerger = node;
    createGain = node;
  }
  vi.stubGlobal("AudioContext", Sound);
  const hearing = hear({} as HTMLMediaElement, 2);
  hearing.only(1);
  expect(close).not.toHaveBeenCalled();
  hearing.close();
  expect(close).toHaveBeenCalledOnce();
  vi.unstubAllGlobals();
});

it("each party is on its side until one is chosen, who is in both ears", () => {
  const heard = (chosen: number | null) => [0, 1, 2].map((party) => [0, 1].map((side) => share(party, side, chosen)));
  expect(heard(null)).toEqual([
    [1, 0],
    [0, 1],
    [0.7, 0.7],
  ]);
  expect(heard(1)).toEqual([
    [0, 0],
    [1, 1],
    [0, 0],
  ]);
});
