// Entry point of the page in a frame (`?embed=1`): one view, without controls, and a link to the whole page.

import "./elements/sge-credit.js";
import "./elements/sge-image.js";
import "./elements/sge-legend.js";
import "./elements/sge-messages.js";
import "./elements/sge-open-link.js";
import "./elements/sge-predictions.js";
import "./elements/sge-status.js";
import { followEffects } from "./state/effect.js";
import { listSamples } from "./state/images.js";
import { followMaps } from "./state/maps.js";
import { store } from "./state/store.js";
import { ViewLink } from "./state/view-link.js";

// The view is shown as its link says; groups and classes are chosen on the whole page.
store.set({ offline: true });
followEffects(store);
followMaps(store, { ahead: false });
listSamples(JSON.parse(document.querySelector("[data-samples]").dataset.samples));
new ViewLink({ keepsSteps: false }).open(location.hash);
