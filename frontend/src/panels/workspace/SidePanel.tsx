import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { IssuePanel } from "./IssuePanel";
import type { Room } from "./Room";
import { TrackPanel } from "./TrackPanel";
import { useNewsOf } from "./watching";

type Tab = "objects" | "issues";

/** What is beside the panes: the objects, or what people say of them. */
export function SidePanel({ room }: { room: Room }): JSX.Element {
  const { issues, document } = room;
  useNewsOf(issues.changed, document.changed);
  const [tab, setTab] = useState<Tab>("objects");
  const { draft, chosen, openCount } = issues;
  useEffect(() => {
    if (draft || chosen !== null) setTab("issues");
  }, [draft, chosen]);
  const tabs: [Tab, string, number][] = [
    ["objects", "Objects", document.tracks.size],
    ["issues", "Issues", openCount],
  ];
  return (
    <div class="side-panel">
      <div class="side-tabs" role="tablist">
        {tabs.map(([name, title, count]) => (
          <button
            key={name}
            type="button"
            role="tab"
            aria-selected={name === tab}
            class={name === "issues" && count > 0 ? "has-news" : ""}
            onClick={() => setTab(name)}
          >
            {title} <span class="count">{count}</span>
          </button>
        ))}
      </div>
      {tab === "objects" ? <TrackPanel room={room} /> : <IssuePanel room={room} />}
    </div>
  );
}
