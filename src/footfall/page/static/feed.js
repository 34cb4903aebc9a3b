/** The live feed: reconnects by itself from where it was, and says how it is. */

/**
 * @typedef {{ id: string, timestamp: number, userId: number, locationId: number, starRating: number }} CheckIn
 * @typedef {"connecting" | "live" | "away" | "paused"} State
 */

/** ms until it connects again after an answer that is an error */
const RETRY_MS = 2000;

export class Feed {
  /**
   * @param {(checkIn: CheckIn) => void} onCheckIn
   * @param {(state: State) => void} onState
   * @param {() => void} onGap what came meanwhile can't be told any more
   */
  constructor(onCheckIn, onState, onGap) {
    this.onCheckIn = onCheckIn;
    this.onState = onState;
    this.onGap = onGap;
    /** id of the last one: what a new connection goes on after */
    this.last = "";
    /** @type {EventSource | null} */
    this.source = null;
    this.connect();
  }

  /** Listen to nothing until `resume`. */
  pause() {
    this.source?.close();
    this.source = null;
    this.onState("paused");
  }

  /** Go on with what comes from now on. */
  resume() {
    this.last = "";
    this.connect();
  }

  /** @private */
  connect() {
    const after = this.last ? `?lastEventId=${this.last}` : "";
    const source = new EventSource(`api/checkins/live${after}`);
    this.source = source;
    source.onopen = () => this.onState("live");
    source.addEventListener("checkin", (event) => {
      this.last = event.lastEventId;
      this.onCheckIn(JSON.parse(event.data));
    });
    source.addEventListener("gap", () => this.onGap());
    source.onerror = () => {
      if (this.source !== source) return;
      this.onState("away");
      // browsers try again by themselves, with Last-Event-ID, but not after an answer that is an error
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.source === source && this.connect(), RETRY_MS);
    };
  }
}
