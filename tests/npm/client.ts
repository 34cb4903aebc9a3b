// A client with the types that openapi-typescript makes of the documents. tests/test_clients.py compiles and runs it.
// Usage: node client.js <receiver> <API server> <auth service> <token>; it prints what it has done as JSON.
import createClient from "openapi-fetch";
import type { paths as Api } from "./api.js";
import type { paths as Auth } from "./auth.js";
import type { components, paths as Receiver } from "./receiver.js";

declare const process: { argv: string[] };
const [receiverUrl, apiUrl, authUrl, token] = process.argv.slice(2) as [string, string, string, string];

/** The data of an answer; an error document is thrown. */
function good<T>(answer: { data?: T; error?: { detail: string } }): NonNullable<T> {
  if (answer.error || answer.data == null) throw new Error(answer.error?.detail ?? "no data");
  return answer.data;
}

const auth = createClient<Auth>({ baseUrl: authUrl });
const signIn = await auth.POST("/login", { body: { email: "sophia.marshall@example.com", password: "secret" } });
const { userId } = good(signIn);
const cookie = signIn.response.headers.get("set-cookie")!.split(";")[0]!;

const checkIn: components["schemas"]["CheckIn"] = { userId, locationId: 13, starRating: 4 };
const receiver = createClient<Receiver>({ baseUrl: receiverUrl });
// @ts-expect-error a rating is a number
const refused = await receiver.POST("/api/checkin", { headers: { cookie }, body: { ...checkIn, starRating: "4" } });
const one = good(await receiver.POST("/api/checkin", { headers: { cookie }, body: checkIn }));

const withToken = createClient<Receiver>({ baseUrl: receiverUrl, headers: { authorization: `Bearer ${token}` } });
const batch = good(
  await withToken.POST("/api/checkins", {
    params: { header: { "Idempotency-Key": "from-typescript" } },
    body: [checkIn, { ...checkIn, userId: 181 }],
  }),
);

const api = createClient<Api>({ baseUrl: apiUrl });
const me = good(await api.GET("/api/me", { headers: { cookie } }));
const users: number[] = [];
let after: string | undefined;
do {
  const page = await api.GET("/api/users/bycheckins", { params: { query: { limit: 300, after } } });
  users.push(...good(page).map((user) => user.id));
  const next = page.response.headers.get("link")?.match(/<([^>]*)>; rel="next"/)?.[1];
  after = next && (new URL(next, apiUrl).searchParams.get("after") ?? undefined);
} while (after);

console.log(JSON.stringify({ refused: refused.response.status, ids: [one.id, ...batch.ids], email: me.email, users }));
