import type { JSX } from "preact";
import { IconButton } from "./icons";
import type { Room } from "./Room";
import { Settings } from "./Settings";
import { useNewsOf } from "./watching";

export function ToolBar(props: { room: Room; onShowKeys: () => void }): JSX.Element {
  const { room } = props;
  useNewsOf(room.selection.changed, room.scene.changed);
  const { tool } = room.selection;
  const { mayEdit } = room.scene;
  return (
    <nav class="tool-bar" aria-label="Tools">
      <IconButton
        icon="select"
        label="Select (Esc)"
        isPressed={tool === "select"}
        onClick={() => room.setTool("select")}
      />
      <IconButton
        icon="click"
        label="Click an object, get its mask (A)"
        isPressed={tool === "click"}
        isDisabled={!mayEdit}
        onClick={() => room.setTool("click")}
      />
      <IconButton
        icon="issue"
        label="Pin an issue to a place (I)"
        isPressed={tool === "issue"}
        onClick={() => room.setTool("issue")}
      />
      <hr />
      <IconButton
        icon="undo"
        label="Undo my last edit (Ctrl+Z)"
        isDisabled={!mayEdit}
        onClick={() => room.undo()}
      />
      <span class="grow" />
      <Settings room={room} />
      <IconButton icon="keys" label="Keys and mouse (F1 or ?)" onClick={props.onShowKeys} />
    </nav>
  );
}
