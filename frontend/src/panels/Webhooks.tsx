import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useActs, useLoaded, Waiting } from "@/panels/Page";
import { api, type Delivery, type Project, type Webhook, type WebhookEvent } from "@/sync/api";

const EVENTS: Record<WebhookEvent, string> = {
  "task.moved": "tasks move",
  "job.ended": "imports, exports and pre-labelling end",
  "issue.raised": "issues are raised",
};

/** Where other systems are told what happens in the project. */
export function Webhooks({ project }: { project: Project }): JSX.Element {
  const webhooks = useLoaded(() => api.webhooks(project.id), project.id);
  const { error, act } = useActs(webhooks.reload);
  const [made, setMade] = useState<Webhook | null>(null);
  const all = webhooks.value ?? [];
  return (
    <section aria-label="Webhooks" class="stack">
      <p class="dim">
        What happens here is sent to these addresses, signed as{" "}
        <a href="https://www.standardwebhooks.com" rel="noreferrer">
          Standard Webhooks
        </a>{" "}
        says, and again until it is taken.
      </p>
      <NewWebhook
        onMake={(url, events) =>
          act(api.makeWebhook(project.id, url, events).then((webhook) => setMade(webhook)))
        }
      />
      <Failure words={error} />
      {made && (
        <div class="notice stack tight" role="status">
          <p>
            The secret of {made.url}. Copy it now: it is not shown again. Messages are signed with
            it.
          </p>
          <code class="secret">{made.secret}</code>
        </div>
      )}
      <Waiting of={webhooks} what="the webhooks" />
      {webhooks.value && !all.length && !made && (
        <div class="empty">
          <h2>No webhooks yet</h2>
          <p>Name an address that is to hear of what happens.</p>
        </div>
      )}
      {all.map((webhook) => (
        <One key={webhook.id} webhook={webhook} act={act} />
      ))}
    </section>
  );
}

function NewWebhook(props: {
  onMake: (url: string, events: WebhookEvent[]) => Promise<boolean>;
}): JSX.Element {
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState<ReadonlySet<WebhookEvent>>(new Set(["task.moved"]));
  const make = async (event: Event) => {
    event.preventDefault();
    if (await props.onMake(url.trim(), [...events])) setUrl("");
  };
  return (
    <form class="stack tight" onSubmit={make} aria-label="New webhook">
      <div class="row">
        <input
          class="grow"
          type="url"
          aria-label="Address"
          placeholder="https://example.org/masklet"
          value={url}
          maxLength={500}
          required
          onInput={(event) => setUrl(event.currentTarget.value)}
        />
        <button type="submit" disabled={!url.trim() || !events.size}>
          Add webhook
        </button>
      </div>
      <Events chosen={events} choose={setEvents} />
    </form>
  );
}

function Events(props: {
  chosen: ReadonlySet<WebhookEvent>;
  choose: (chosen: ReadonlySet<WebhookEvent>) => void;
}): JSX.Element {
  const toggle = (event: WebhookEvent) => {
    const next = new Set(props.chosen);
    if (!next.delete(event)) next.add(event);
    props.choose(next);
  };
  return (
    <fieldset class="plain row" aria-label="When">
      <span class="dim">when</span>
      {(Object.keys(EVENTS) as WebhookEvent[]).map((event) => (
        <button
          key={event}
          type="button"
          class="chip"
          aria-pressed={props.chosen.has(event)}
          onClick={() => toggle(event)}
        >
          {EVENTS[event]}
        </button>
      ))}
    </fieldset>
  );
}

function One(props: {
  webhook: Webhook;
  act: (action: Promise<unknown>) => Promise<boolean>;
}): JSX.Element {
  const { webhook, act } = props;
  const [isOpen, setOpen] = useState(false);
  const [asked, setAsked] = useState(0); // counts trials, so that the list is read anew
  const ping = async () => {
    if (await act(api.pingWebhook(webhook.id))) {
      setOpen(true);
      setAsked(asked + 1);
    }
  };
  return (
    <article class="panel stack tight">
      <div class="row apart">
        <strong class={webhook.is_active ? "" : "dim"}>{webhook.url}</strong>
        <div class="row">
          {!webhook.is_active && <span class="badge">off</span>}
          <button type="button" onClick={() => void ping()} disabled={!webhook.is_active}>
            Send a trial
          </button>
          <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            Deliveries
          </button>
          <button
            type="button"
            class="quiet"
            onClick={() =>
              void act(api.changeWebhook(webhook.id, { is_active: !webhook.is_active }))
            }
          >
            {webhook.is_active ? "Switch off" : "Switch on"}
          </button>
          <button
            type="button"
            class="quiet"
            onClick={() => void act(api.removeWebhook(webhook.id))}
          >
            Delete
          </button>
        </div>
      </div>
      <Events
        chosen={new Set(webhook.events)}
        choose={(chosen) => {
          if (chosen.size) void act(api.changeWebhook(webhook.id, { events: [...chosen] }));
        }}
      />
      {isOpen && <Deliveries key={asked} webhook={webhook.id} />}
    </article>
  );
}

const isOnItsWay = (deliveries: Delivery[]): boolean =>
  deliveries.some(({ next_at, attempts }) => next_at !== null && attempts === 0);

function Deliveries({ webhook }: { webhook: number }): JSX.Element {
  const deliveries = useLoaded(() => api.deliveries(webhook), webhook, isOnItsWay);
  const { error, act } = useActs(deliveries.reload);
  const all = deliveries.value ?? [];
  return (
    <>
      <Waiting of={deliveries} what="the deliveries" />
      <Failure words={error} />
      {deliveries.value && !all.length && <p class="dim">Nothing was sent yet.</p>}
      {all.length > 0 && (
        <table aria-label="Deliveries">
          <thead>
            <tr>
              <th>When</th>
              <th>What</th>
              <th>State</th>
              <th class="number">Attempts</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {all.map((delivery) => (
              <tr key={delivery.id}>
                <td>{new Date(delivery.created_at).toLocaleString()}</td>
                <td>
                  <code title={JSON.stringify(delivery.body, null, 1)}>{delivery.event}</code>
                </td>
                <td class={delivery.error ? "error" : ""}>{stateOf(delivery)}</td>
                <td class="number">{delivery.attempts}</td>
                <td class="acts">
                  <button
                    type="button"
                    class="quiet"
                    onClick={() => void act(api.resend(delivery.id))}
                  >
                    Send again
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function stateOf({ error, next_at, delivered_at, status }: Delivery): string {
  if (!error) return delivered_at ? `taken (${status})` : "on its way";
  if (!next_at) return `${error}; given up`;
  return `${error}; again at ${new Date(next_at).toLocaleTimeString()}`;
}
