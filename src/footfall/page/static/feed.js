/** The live feed: reconnects by itself from where it was, and says how it is. */

/**
 * @typedef {{ id: string, timestamp: number, userId: number, locationId: number, starRating: number }} CheckIn
 * @typedef {"connecting" | "live" | "away"} State
 */

export class Feed {
  /**
   * @param {(checkIn: CheckIn) => void} onCheckIn
   * @param {(state: State) => void} onState
   */
  constructor(onCheckIn, onState) {
    this.onCheckIn = onCheckIn;
    this.onState = onState;
    /** id of the last one: what a new connection goes on after */
    this.last = "";
    this.connect();
  }

  /** @private */
  connect() {
    const after = this.last ? `?lastEventId=${this.last}` : "";
    const source = new EventSource(`api/checkins/live${after}`);
    source.onopen = () => this.onState("live");
    source.addEventListener("checkin", (event) => {
      this.last = event.lastEventId;
      this.onCheckIn(JSON.parse(event.data));
    });
    source.onerror = () => {
      this.onState("away");
      // browsers try again by themselves, with Last-Event-ID, but not after an answer that is an error
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), 2000);
    };
  }
}
