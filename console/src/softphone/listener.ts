/** Plays what comes in on a peer connection. */
export class Listener {
  readonly #audio: HTMLAudioElement;
  readonly #blocked: () => void;

  constructor(connection: RTCPeerConnection, blocked: () => void) {
    this.#blocked = blocked;
    this.#audio = document.createElement("audio");
    this.#audio.autoplay = true;
    this.#audio.hidden = true;
    this.#audio.dataset.testid = "remote-audio";
    document.body.append(this.#audio);
    connection.addEventListener("track", ({ track, streams }) => {
      this.#audio.srcObject = streams[0] ?? new MediaStream([track]);
      void this.play();
    });
  }

  async play(): Promise<void> {
    try {
      await this.#audio.play();
    } catch (error) {
      // After a reload there was no gesture on the page yet, and some browsers want one before there is sound.
      if (error instanceof DOMException && error.name === "NotAllowedError") this.#blocked();
    }
  }

  close(): void {
    this.#audio.srcObject = null;
    this.#audio.remove();
  }
}
