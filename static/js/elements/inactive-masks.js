// What the grid shows instead of masks that are all the same: a sentence, and the way to a network whose gates act.

import { models, RequestError } from "../api.js";
import { make } from "../dom.js";
import { tunedCounterpart } from "../state/models.js";

const SENTENCE = "The gates of this network are inactive: every mask is the same constant, for every image. The similarity from which a mask is made is in the maps under Similarity.";

/** The message, with a button that opens the tuned network once the service has named it. */
export function inactiveMasks(store) {
  const actions = make("p", { class: "buttons" }, make("button", { type: "button", onclick: () => store.set({ signal: "similarity", view: "groups" }) }, "Show similarity"));
  if (!store.state.offline) offerTuned(store, actions);
  return make("div", { class: "no-masks", "data-testid": "no-masks" }, make("p", {}, SENTENCE), actions);
}

async function offerTuned(store, actions) {
  try {
    const tuned = tunedCounterpart(await models(), store.image.analysis.model.name);
    if (tuned) actions.prepend(make("button", { type: "button", class: "main", title: tuned.card.title, onclick: () => store.set({ model: tuned.name, signal: null }) }, "Open the tuned network"));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
}
