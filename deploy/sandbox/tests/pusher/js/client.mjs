// One pusher-js client, driven by lines of JSON: commands on stdin, everything that happens on stdout.
// The signatures come from the test (through the Python library), as they come from an application's server.
import { createInterface } from "node:readline";
import Pusher from "pusher-js";

const options = JSON.parse(process.argv[2]);
const waiting = new Map();
let lastQuestion = 0;

const report = (kind, detail) => process.stdout.write(`${JSON.stringify({ kind, ...detail })}\n`);

const ask = (kind, question, callback) => {
  lastQuestion += 1;
  waiting.set(lastQuestion, callback);
  report(kind, { question: lastQuestion, ...question });
};

const pusher = new Pusher(options.key, {
  cluster: "sandbox",
  wsHost: "127.0.0.1",
  wsPort: options.port,
  forceTLS: false,
  enabledTransports: ["ws"],
  activityTimeout: options.activityTimeout,
  channelAuthorization: {
    customHandler: ({ socketId, channelName }, callback) =>
      ask("authorize", { socket_id: socketId, channel: channelName }, callback),
  },
  userAuthentication: {
    customHandler: ({ socketId }, callback) => ask("authenticate", { socket_id: socketId }, callback),
  },
});

pusher.connection.bind("state_change", ({ current }) =>
  report("state", { state: current, socket_id: pusher.connection.socket_id }),
);
pusher.connection.bind("error", (error) => report("error", { error: error.data ?? error.error?.data ?? null }));
pusher.connection.bind("message", ({ event }) => report("frame", { event }));
pusher.user.bind_global((event, data) => report("user_event", { event, data }));

const commands = {
  subscribe: ({ channel }) =>
    pusher
      .subscribe(channel)
      .bind_global((event, data) => {
        const members = event === "pusher:subscription_succeeded" && data?.members;
        report("event", { channel, event, data: members ? { members, count: data.count } : data });
      })
      .bind("client-typing", (_, metadata) => report("metadata", { channel, metadata })),
  unsubscribe: ({ channel }) => pusher.unsubscribe(channel),
  trigger: ({ channel, event, data }) => pusher.channel(channel).trigger(event, data),
  signin: () => pusher.signin(),
  answer: ({ question, error, data }) => waiting.get(question)(error ? new Error(error) : null, data),
  disconnect: () => pusher.disconnect(),
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { command, ...rest } = JSON.parse(line);
    commands[command](rest);
  })
  .on("close", () => process.exit(0));
