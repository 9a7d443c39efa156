import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, type Notifications } from "@/sync/api";

const AGAIN_MS = 60_000;

/** How much there is to read, and what: what happened to this person's work, and was said to them. */
export function Bell(): JSX.Element {
  const [known, setKnown] = useState<Notifications>({ unread: 0, notifications: [] });
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async (): Promise<void> => {
      clearTimeout(timer);
      try {
        if (!document.hidden) setKnown(await api.notifications());
      } catch {
        // The page says by itself when the server is away.
      }
      timer = setTimeout(load, AGAIN_MS);
    };
    void load();
    window.addEventListener("focus", load);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("focus", load);
    };
  }, []);
  useEffect(() => {
    if (!isOpen) return;
    const leave = (event: Event): void => {
      const isOver =
        event instanceof KeyboardEvent
          ? event.key === "Escape"
          : !box.current?.contains(event.target as Node);
      if (isOver) setOpen(false);
    };
    window.addEventListener("pointerdown", leave);
    window.addEventListener("keydown", leave);
    return () => {
      window.removeEventListener("pointerdown", leave);
      window.removeEventListener("keydown", leave);
    };
  }, [isOpen]);
  const read = async (ids?: number[]): Promise<void> => {
    try {
      setKnown(await api.readNotifications(ids));
    } catch {
      // Then they are still to be read.
    }
  };
  const go = async (id: number, address: string): Promise<void> => {
    await read([id]);
    location.assign(address);
  };
  const { unread, notifications } = known;
  const label = unread ? `Notifications: ${unread} to read` : "Notifications";
  return (
    <div class="bell" ref={box}>
      <button
        type="button"
        class="quiet"
        aria-label={label}
        title={label}
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M4 11V7a4 4 0 0 1 8 0v4l1.2 1.5H2.8zM6.8 14.2h2.4" />
        </svg>
        {unread > 0 && <b>{unread > 99 ? "99+" : unread}</b>}
      </button>
      {isOpen && (
        <section class="notifications" aria-label="Notifications">
          <div class="row apart">
            <h2>Notifications</h2>
            {unread > 0 && (
              <button type="button" class="quiet" onClick={() => void read()}>
                All are read
              </button>
            )}
          </div>
          {notifications.length === 0 && <p class="dim">Nothing has happened yet.</p>}
          <ul>
            {notifications.map(({ id, text, address, at, read_at }) => (
              <li key={id} class={read_at ? "dim" : ""}>
                <a
                  href={address}
                  onClick={(event) => {
                    if (event.ctrlKey || event.metaKey || read_at) return;
                    event.preventDefault();
                    void go(id, address);
                  }}
                >
                  {text}
                </a>
                <small class="dim">{new Date(at).toLocaleString()}</small>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
