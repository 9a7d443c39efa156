import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Bell } from "@/panels/Bell";
import { ApiError, api, type User } from "@/sync/api";

/** The frame of every page outside the workspace. */
export function Page(props: {
  user: User;
  title: string;
  children: ComponentChildren;
}): JSX.Element {
  useEffect(() => {
    document.title = `${props.title} · Masklet`;
  }, [props.title]);
  const signOut = async () => {
    await api.signOut();
    location.assign("/sign-in");
  };
  return (
    <div class="page">
      <header class="page-head">
        <a class="mark" href="/">
          <img src="/static/app/icon.svg" alt="" /> Masklet
        </a>
        <span class="who row">
          <Bell />
          <a class="dim" href="/account" title="Your API tokens">
            {props.user.name}
          </a>
          <button type="button" class="quiet" onClick={signOut}>
            Sign out
          </button>
        </span>
      </header>
      <main class="page-body">{props.children}</main>
    </div>
  );
}

export type Loaded<T> = { value: T | null; error: string; reload: () => void };

/** Fetch something when the page opens and again on `reload`; while `again` says so, every second. */
export function useLoaded<T>(
  fetcher: () => Promise<T>,
  key: unknown,
  again: (value: T) => boolean = () => false,
): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState("");
  const [round, setRound] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      if (document.hidden) {
        timer = setTimeout(load, 1000);
        return;
      }
      try {
        const fetched = await fetcher();
        if (!isCurrent) return;
        setValue(fetched);
        setError("");
        if (again(fetched)) timer = setTimeout(load, 1000);
      } catch (failure) {
        if (!isCurrent) return;
        setError(wordsFor(failure));
        timer = setTimeout(load, 5000);
      }
    };
    void load();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [key, round]);
  return { value, error, reload: () => setRound((n) => n + 1) };
}

export function wordsFor(failure: unknown): string {
  return failure instanceof ApiError ? failure.message : `Unexpected: ${String(failure)}`;
}

/** What people do on a page, and what went wrong with the last of it; afterwards the page loads anew. */
export function useActs(reload: () => void): {
  error: string;
  act: (action: Promise<unknown>) => Promise<boolean>;
} {
  const [error, setError] = useState("");
  const act = async (action: Promise<unknown>): Promise<boolean> => {
    setError("");
    try {
      await action;
      return true;
    } catch (failure) {
      setError(wordsFor(failure));
      return false;
    } finally {
      reload();
    }
  };
  return { error, act };
}

/** What stands where a list will be: an error, "Loading", or nothing. */
export function Waiting(props: { of: Loaded<unknown>; what: string }): JSX.Element | null {
  if (props.of.error) {
    return (
      <div class="notice danger row apart" role="alert">
        <span>{props.of.error}</span>
        <button type="button" onClick={props.of.reload}>
          Try again
        </button>
      </div>
    );
  }
  return props.of.value === null ? <p class="dim">Loading {props.what}…</p> : null;
}

/** A line for what just went wrong, until the next try. */
export function Failure(props: { words: string }): JSX.Element | null {
  return props.words ? (
    <p class="error" role="alert">
      {props.words}
    </p>
  ) : null;
}
