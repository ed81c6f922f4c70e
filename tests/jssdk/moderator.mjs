// A Matrix client to be driven by a test: one JSON request a line on stdin, one JSON answer a line on stdout.
//
// It is the official SDK with its Rust crypto, so it knows nothing of how knockbot encrypts.

import readline from "node:readline";

// The SDK talks to the console; stdout is for answers only.
for (const level of ["trace", "debug", "log", "info", "warn", "error"]) {
    console[level] = () => {};
}
const sdk = await import("matrix-js-sdk");
const { OnlySignedDevicesIsolationMode } = await import("matrix-js-sdk/lib/crypto-api/index.js");

let client;
const heard = [];
let wakeUp = () => {};

const acts = {
    async start({ url, user, token, device }) {
        client = sdk.createClient({ baseUrl: url, userId: user, accessToken: token, deviceId: device });
        await client.initRustCrypto({ useIndexedDB: false });
        client.on(sdk.RoomEvent.Timeline, (event, room, toStart) => !toStart && !event.status && hear(event));
        client.on(sdk.RoomEvent.LocalEchoUpdated, (event) => !event.status && hear(event));
        client.on(sdk.MatrixEventEvent.Decrypted, (event) => event.knownInVain && hear(event));
        await client.startClient({ initialSyncLimit: 100 });
        await new Promise((done) => client.on(sdk.ClientEvent.Sync, (state) => state === "PREPARED" && done()));
    },

    // As Element does for whoever sets up their account.
    async verify({ password }) {
        const auth = (makeRequest) =>
            makeRequest({
                type: "m.login.password",
                identifier: { type: "m.id.user", user: client.getUserId() },
                password,
            });
        await client.getCrypto().bootstrapCrossSigning({ authUploadDeviceSigningKeys: auth });
    },

    // As Element does where "exclude insecure devices" is on.
    async be_strict() {
        client.getCrypto().setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
    },

    async send({ room, type, content }) {
        while (!(await isReady(room))) {
            await new Promise((done) => setTimeout(done, 20));
        }
        return (await client.sendEvent(room, type, content)).event_id;
    },

    async new_session({ room }) {
        await client.getCrypto().forceDiscardSession(room);
    },

    async hear({ since, timeout }) {
        if (heard.length <= since && timeout) {
            await Promise.race([
                new Promise((done) => (wakeUp = done)),
                new Promise((done) => setTimeout(done, timeout)),
            ]);
        }
        return heard.slice(since);
    },
};

// The SDK encrypts for the devices that it knows of: of whom it has just heard it knows none for a moment, in which no
// person would have typed anything.
async function isReady(room) {
    const known = client.getRoom(room);
    if (known?.getMyMembership() !== "join" || known.currentState.getStateEvents("m.room.create", "") === null) {
        return false;
    }
    const members = (await known.getEncryptionTargetMembers()).map((member) => member.userId);
    const devices = await client.getCrypto().getUserDeviceInfo(members);
    return members.length > 1 && members.every((user) => devices.get(user)?.size);
}

async function hear(event) {
    await client.decryptEventIfNeeded(event);
    event.knownInVain = event.isDecryptionFailure();
    if (event.knownInVain) {
        return; // until its key comes
    }
    const raw = { ...event.event, ...event.getEffectiveEvent(), room_id: event.getRoomId() };
    raw.unsigned = { ...raw.unsigned, sealed: event.isEncrypted() };
    if (raw.unsigned.sealed) {
        raw.unsigned.shield = (await client.getCrypto().getEncryptionInfoForEvent(event))?.shieldColour;
    }
    heard.push(raw);
    wakeUp();
}

for await (const line of readline.createInterface({ input: process.stdin })) {
    const { act, ...what } = JSON.parse(line);
    acts[act](what).then(
        (answer) => process.stdout.write(JSON.stringify({ id: what.id, answer: answer ?? null }) + "\n"),
        (error) => process.stdout.write(JSON.stringify({ id: what.id, error: String(error?.stack ?? error) }) + "\n"),
    );
}
process.exit(0);
