// Extensions that wait for the owner's word while one of the owner's codes is open: asks the server now and then, and passes the word on.
// Runs only where the server asks owners at all, and only while a code is open and the page is seen.
// SPDX-License-Identifier: Apache-2.0

import { api } from "./api.js";

const ASK_MS = 2000;

export class Applicants {
  #store;
  #report;
  #timer = 0;

  /** `report(text, tone)` says what went wrong. */
  constructor(store, report) {
    this.#store = store;
    this.#report = report;
  }

  /** Call when somebody has signed in. */
  start() {
    this.stop();
    if (this.#store.get().session?.approvesExtensions !== true) return;
    this.#timer = setInterval(() => this.#ask(), ASK_MS);
    this.#ask();
  }

  stop() {
    clearInterval(this.#timer);
    this.#keep([]);
  }

  async #ask() {
    const { screen, instances } = this.#store.get();
    if (screen !== "home" || document.visibilityState !== "visible") return;
    if (!instances?.some((instance) => !instance.isActivated)) return this.#keep([]);
    try {
      this.#keep(await api.applicants());
    } catch {
      // The list of links says that the server cannot be reached; the next round asks again.
    }
  }

  // Replaced only when something changed: views compare by identity, and a button must not be rebuilt under a finger.
  #keep(applicants) {
    if (JSON.stringify(applicants) !== JSON.stringify(this.#store.get().applicants)) this.#store.set({ applicants });
  }

  /** The owner's word about one of them. */
  async decide(applicant, isApproved) {
    try {
      await api.decide(applicant.id, applicant.number, isApproved);
    } catch (error) {
      this.#report(error.message, "error");
    }
    this.#keep(this.#store.get().applicants.filter((one) => one.number !== applicant.number));
  }
}
