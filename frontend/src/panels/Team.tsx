import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { AuditLog } from "@/panels/AuditLog";
import { Failure, useActs, useLoaded, Waiting } from "@/panels/Page";
import { api, type GivenRole, type Member, mayManage, type Project, type User } from "@/sync/api";

const ROLES: Record<GivenRole, { words: string; may: string }> = {
  viewer: { words: "viewer", may: "looks, and changes nothing" },
  annotator: { words: "annotator", may: "labels, and submits tasks" },
  reviewer: { words: "reviewer", may: "labels, accepts and sends back" },
  manager: {
    words: "manager",
    may: "does all that, imports, exports, assigns, and chooses the team",
  },
};
const GIVEN = Object.keys(ROLES) as GivenRole[];

/** Who works in the project, and as what; managers choose. */
export function Team(props: { project: Project; user: User }): JSX.Element {
  const { project } = props;
  const members = useLoaded(() => api.members(project.id), project.id);
  const { error, act } = useActs(members.reload);
  const isManager = mayManage(project.role);
  return (
    <section aria-label="Team" class="stack">
      {isManager && (
        <Invite onInvite={(name, role) => act(api.addMember(project.id, name, role))} />
      )}
      <Waiting of={members} what="the team" />
      <Failure words={error} />
      {members.value?.length === 0 && (
        <div class="empty">
          <h2>Nobody works here yet</h2>
          <p>Take in people who have an account, by its name.</p>
        </div>
      )}
      {members.value && members.value.length > 0 && (
        <table aria-label="Members">
          <thead>
            <tr>
              <th>Name</th>
              <th>Account</th>
              <th>Role</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {members.value.map((member) => (
              <Row
                key={member.user.id}
                member={member}
                isMe={member.user.id === props.user.id}
                isManager={isManager}
                onRole={(role) => act(api.changeRole(project.id, member.user.id, role))}
                onRemove={() => act(api.removeMember(project.id, member.user.id))}
              />
            ))}
          </tbody>
        </table>
      )}
      {isManager && <Invitations project={project.id} />}
      {isManager && <AuditLog project={project.id} />}
    </section>
  );
}

function Invite(props: {
  onInvite: (username: string, role: GivenRole) => Promise<boolean>;
}): JSX.Element {
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<GivenRole>("annotator");
  const submit = async (event: Event) => {
    event.preventDefault();
    if (await props.onInvite(username.trim(), role)) setUsername("");
  };
  return (
    <form class="panel stack" onSubmit={submit}>
      <h2>Take somebody in</h2>
      <div class="row fields">
        <label class="field">
          Account
          <input
            value={username}
            maxLength={150}
            autocomplete="off"
            onInput={(event) => setUsername(event.currentTarget.value)}
          />
        </label>
        <RoleField label="Role" role={role} onChoose={setRole} />
        <button type="submit" class="primary" disabled={!username.trim()}>
          Add
        </button>
      </div>
      <p class="dim">
        {ROLES[role].words[0]?.toUpperCase() + ROLES[role].words.slice(1)}: {ROLES[role].may}.
      </p>
    </form>
  );
}

/** Links for people who have no account yet. */
function Invitations({ project }: { project: number }): JSX.Element {
  const open = useLoaded(() => api.invitations(project), project);
  const [role, setRole] = useState<GivenRole>("annotator");
  const [note, setNote] = useState("");
  const [link, setLink] = useState("");
  const { error, act } = useActs(open.reload);
  const invite = async (): Promise<void> => {
    const { secret } = await api.invite(project, role, note.trim());
    setLink(`${location.origin}/invited#${secret}`);
    setNote("");
  };
  const make = (event: Event) => {
    event.preventDefault();
    void act(invite());
  };
  return (
    <form class="panel stack" onSubmit={make} aria-label="Invite by a link">
      <h2>Invite somebody without an account</h2>
      <div class="row fields">
        <label class="field">
          For whom, for your own memory
          <input
            value={note}
            maxLength={100}
            placeholder="ann@example.org"
            onInput={(event) => setNote(event.currentTarget.value)}
          />
        </label>
        <RoleField label="Role of the invited" role={role} onChoose={setRole} />
        <button type="submit">Make a link</button>
      </div>
      <Failure words={error} />
      {link && (
        <p class="notice" role="status">
          Send this link; it is shown once, works once, and for two weeks:
          <br />
          <code class="secret">{link}</code>
        </p>
      )}
      {open.value?.map(({ id, role, note, expires_at }) => (
        <div class="row apart" key={id}>
          <span>
            {note || "somebody"} <span class="dim">as {ROLES[role].words}</span>
          </span>
          <span class="row">
            <span class="dim">until {new Date(expires_at).toLocaleDateString()}</span>
            <button
              type="button"
              class="quiet"
              onClick={() => void act(api.takeInvitationBack(project, id))}
            >
              Take back
            </button>
          </span>
        </div>
      ))}
    </form>
  );
}

interface RoleProps {
  label: string;
  role: GivenRole;
  onChoose: (role: GivenRole) => void;
}

/** The choice of a role in a form. */
const RoleField = (props: RoleProps): JSX.Element => (
  // biome-ignore lint/a11y/noLabelWithoutControl: the choice is one, a component of ours
  <label class="field">
    As
    <RoleChoice {...props} />
  </label>
);

function RoleChoice(props: RoleProps): JSX.Element {
  return (
    <select
      class="short"
      aria-label={props.label}
      value={props.role}
      onChange={(event) => props.onChoose(event.currentTarget.value as GivenRole)}
    >
      {GIVEN.map((role) => (
        <option key={role} value={role}>
          {ROLES[role].words}
        </option>
      ))}
    </select>
  );
}

function Row(props: {
  member: Member;
  isMe: boolean;
  isManager: boolean;
  onRole: (role: GivenRole) => void;
  onRemove: () => void;
}): JSX.Element {
  const { user, role } = props.member;
  const [isAsking, setAsking] = useState(false);
  return (
    <tr>
      <td>
        {user.name} {props.isMe && <span class="dim">(you)</span>}
      </td>
      <td class="dim">{user.username}</td>
      <td>
        {role === "admin" ? (
          <span title="Whoever is an admin is so everywhere">admin</span>
        ) : props.isManager ? (
          <RoleChoice label={`Role of ${user.name}`} role={role} onChoose={props.onRole} />
        ) : (
          ROLES[role].words
        )}
      </td>
      <td class="acts">
        {props.isManager && (
          <div class="row">
            {isAsking ? (
              <>
                <button type="button" class="dangerous" onClick={props.onRemove}>
                  {props.isMe ? "Leave the project" : `Take ${user.name} out`}
                </button>
                <button type="button" class="quiet" onClick={() => setAsking(false)}>
                  Keep
                </button>
              </>
            ) : (
              <button type="button" class="quiet" onClick={() => setAsking(true)}>
                Take out…
              </button>
            )}
          </div>
        )}
      </td>
    </tr>
  );
}
