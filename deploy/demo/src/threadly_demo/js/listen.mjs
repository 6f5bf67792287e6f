// Listens with pusher-js, as a browser would: channels on the command line, a session token a line on stdin,
// everything that arrives a JSON line on stdout. Ends when stdin does.
import { createInterface } from "node:readline";
import Pusher from "pusher-js";

const { key, host, port, authEndpoint, channels, token } = JSON.parse(process.argv[2]);
let current = token;
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

const pusher = new Pusher(key, {
  cluster: "sandbox",
  wsHost: host,
  wsPort: port,
  forceTLS: false,
  enabledTransports: ["ws"],
  channelAuthorization: {
    endpoint: authEndpoint,
    transport: "ajax",
    headersProvider: () => ({ Authorization: `Bearer ${current}` }),
  },
});

const listen = (name) => {
  const channel = pusher.subscribe(name);
  channel.bind_global((event, data) => report({ channel: name, event, data }));
  // A refused or failed authorisation is final for pusher-js; asking again is the page's business.
  channel.bind("pusher:subscription_error", () => setTimeout(() => { pusher.unsubscribe(name); listen(name); }, 500));
};
channels.forEach(listen);

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { token: fresh, subscribe } = JSON.parse(line);
    if (fresh) current = fresh;
    if (subscribe) listen(subscribe);
  })
  .on("close", () => { pusher.disconnect(); process.exit(0); });
