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

/** Uses a model in place of the store's. That of a comparison's second half is the one that the first store compares with. */
function useModel(store, name) {
  if (store.first) return store.first.set({ compare: name });
  const { compare } = store.state;
  store.set({ model: name, signal: null, compare: compare === name ? null : compare });
}

async function offerTuned(store, actions) {
  try {
    const tuned = tunedCounterpart(await models(), store.image.analysis.model.name);
    // The other half of a comparison may show it already.
    if (!tuned || tuned.name === store.first?.image?.analysis.model.name) return;
    actions.prepend(make("button", { type: "button", class: "main", title: tuned.card.title, onclick: () => useModel(store, tuned.name) }, "Open the tuned network"));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
}
