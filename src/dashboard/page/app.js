// The pages of the dashboard, by their addresses.

import * as failed from "./failed.js";
import * as jobs from "./jobs.js";
import { start } from "./live.js";
import * as overview from "./overview.js";

start([
	[/^\/?$/, overview.page],
	[/^\/jobs\/?$/, jobs.list],
	[/^\/jobs\/(.+)$/, jobs.job],
	[/^\/failed\/?$/, failed.list],
	[/^\/failed\/(.+)$/, failed.job],
]);
