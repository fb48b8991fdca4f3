import { expect, it } from "vitest";
import { share } from "./hearing";

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
