// The shell: what stands around every page. It starts the stream and the pages; what a page shows is its own affair.

import { banner } from "./banner.js";
import { byId, setText } from "./dom.js";
import { follow, onLink } from "./live.js";
import { setUpPages } from "./router.js";
import { askWhatIsAllowed, takeToken } from "./session.js";
import { setUpTheme } from "./theme.js";
import { trouble } from "./trouble.js";

const WORDS = { connecting: "connecting", live: "live", lost: "connection lost, trying again" };

onLink((state) => {
  byId("link").dataset.state = state;
  setText(byId("link"), WORDS[state]);
});
takeToken();
setUpTheme();
follow(banner);
follow(trouble);
askWhatIsAllowed().finally(setUpPages);
