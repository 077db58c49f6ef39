// How the networks of the service belong together: which one was tuned from which.

/** The card's note of the network that a network was made from, or undefined. */
const baseOf = ({ card }) => card?.made_from?.model;

/**
 * The network with tuned gates that was made from the network `name`, or null where the service has none that is ready.
 *
 * @param models the service's answer to `GET /models`
 */
export function tunedCounterpart(models, name) {
  return models.find((model) => model.ready && model.card.gates === "tuned" && baseOf(model) === name) ?? null;
}

/** The network with inactive gates that the network `name` was tuned from, or null. */
export function baseline(models, name) {
  const base = baseOf(models.find((model) => model.name === name) ?? {});
  return models.find((model) => model.name === base && model.ready && model.card.gates === "inactive") ?? null;
}
