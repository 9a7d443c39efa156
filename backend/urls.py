"""The whole HTTP surface on one page.

Every API view names its permission; one that does not answers nobody. Each line below has its line
in the table of tests/backend/test_permission_matrix.py.
"""

from django.http import HttpRequest, JsonResponse
from django.urls import path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from backend.accounts import addresses_api as addresses
from backend.accounts import api as accounts
from backend.accounts.admin import site
from backend.exports import api as exports
from backend.imports import api as imports
from backend.jobs import api as jobs
from backend.predictions import api as predictions
from backend.projects import api as projects
from backend.projects import invitations_api as invitations
from backend.projects import ontology_api as ontology
from backend.projects.permissions import SignedIn
from backend.quality import api as quality
from backend.scenes import api as scenes
from backend.tasks import api as tasks
from backend.tasks import figures_api as figures
from backend.tasks import issues_api as issues
from backend.webhooks import api as webhooks
from backend.workspace import health, pages


def no_such_address(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"detail": "no such address"}, status=404)


urlpatterns = [
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("api/session", accounts.Session.as_view()),
    path("api/account/email", addresses.Address.as_view()),
    path("api/account/email/confirm", addresses.ConfirmAddress.as_view()),
    path("api/password/forgotten", addresses.ForgottenPassword.as_view()),
    path("api/password/set", addresses.SetPassword.as_view()),
    path("api/second-factor", accounts.SecondFactorPage.as_view()),
    path("api/tokens", accounts.Tokens.as_view()),
    path("api/tokens/<int:token_id>", accounts.OneToken.as_view()),
    path("api/audit", projects.Audit.as_view()),
    path("api/projects/<int:project_id>/audit", projects.ProjectAudit.as_view()),
    path("api/notifications", accounts.Notifications.as_view()),
    path("api/projects", projects.ProjectList.as_view()),
    path("api/projects/<int:project_id>", projects.ProjectDetail.as_view()),
    path("api/projects/<int:project_id>/members", projects.Members.as_view()),
    path("api/projects/<int:project_id>/members/<int:user_id>", projects.OneMember.as_view()),
    path("api/projects/<int:project_id>/classes", ontology.Classes.as_view()),
    path("api/projects/<int:project_id>/classes/<int:class_id>", ontology.OneClass.as_view()),
    path("api/projects/<int:project_id>/ontologies", ontology.Versions.as_view()),
    path("api/projects/<int:project_id>/invitations", invitations.Invitations.as_view()),
    path(
        "api/projects/<int:project_id>/invitations/<int:invitation_id>",
        invitations.OneInvitation.as_view(),
    ),
    path("api/invitations/look", invitations.Look.as_view()),
    path("api/invitations/accept", invitations.Accept.as_view()),
    path("api/projects/<int:project_id>/predictor", predictions.ProjectPredictor.as_view()),
    path("api/projects/<int:project_id>/scenes", scenes.ProjectScenes.as_view()),
    path("api/scenes/<int:scene_id>", scenes.OneScene.as_view()),
    path("api/scenes/<int:scene_id>/preview", scenes.ScenePreview.as_view()),
    path("api/scenes/<int:scene_id>/prelabels", predictions.PreLabels.as_view()),
    path("api/projects/<int:project_id>/jobs", jobs.ProjectJobs.as_view()),
    path("api/jobs/<int:job_id>", jobs.OneJob.as_view()),
    path("api/jobs/<int:job_id>/cancel", jobs.CancelJob.as_view()),
    path("api/jobs/<int:job_id>/resume", jobs.ResumeJob.as_view()),
    path("api/import-formats", imports.Formats.as_view()),
    path("api/projects/<int:project_id>/imports", imports.Imports.as_view()),
    path("api/projects/<int:project_id>/import-folders", imports.ImportFolders.as_view()),
    path("api/projects/<int:project_id>/uploads", imports.Uploads.as_view()),
    path("api/uploads/<int:upload_id>", imports.OneUpload.as_view()),
    path("api/projects/<int:project_id>/tasks", tasks.TaskList.as_view()),
    path("api/tasks/<int:task_id>", tasks.OneTask.as_view()),
    path("api/projects/<int:project_id>/figures", figures.ProjectFigures.as_view()),
    path("api/projects/<int:project_id>/figures.csv", figures.FiguresTable.as_view()),
    path("api/projects/<int:project_id>/next/label", tasks.Next.as_view(), {"kind": "label"}),
    path("api/projects/<int:project_id>/next/review", tasks.Next.as_view(), {"kind": "review"}),
    path("api/scenes/<int:scene_id>/split", tasks.Split.as_view()),
    path("api/scenes/<int:scene_id>/issues", issues.SceneIssues.as_view()),
    path("api/issues/<int:issue_id>", issues.OneIssue.as_view()),
    path("api/issues/<int:issue_id>/comments", issues.Comments.as_view()),
    path("api/issues/<int:issue_id>/suggestion", issues.SuggestionOf.as_view()),
    path("api/tasks/<int:task_id>/copies", quality.Copies.as_view()),
    path("api/tasks/<int:task_id>/checks", quality.Checks.as_view()),
    path("api/scenes/<int:scene_id>/adopt", quality.Adopt.as_view()),
    path("api/projects/<int:project_id>/quality", quality.ProjectQuality.as_view()),
    path("api/comparisons/<int:comparison_id>", quality.OneComparison.as_view()),
    path("api/tasks/<int:task_id>/steps", tasks.Steps.as_view()),
    path("api/tasks/<int:task_id>/start", tasks.Start.as_view()),
    path("api/tasks/<int:task_id>/skip", tasks.Skip.as_view()),
    path("api/tasks/<int:task_id>/give_up", tasks.GiveUp.as_view()),
    path("api/tasks/<int:task_id>/reopen", tasks.Reopen.as_view()),
    path("api/tasks/<int:task_id>/submit", tasks.Submit.as_view()),
    path("api/tasks/<int:task_id>/accept", tasks.Accept.as_view()),
    path("api/tasks/<int:task_id>/send_back", tasks.SendBack.as_view()),
    path("api/projects/<int:project_id>/webhooks", webhooks.Webhooks.as_view()),
    path("api/webhooks/<int:webhook_id>", webhooks.OneWebhook.as_view()),
    path("api/webhooks/<int:webhook_id>/ping", webhooks.Ping.as_view()),
    path("api/webhooks/<int:webhook_id>/deliveries", webhooks.Deliveries.as_view()),
    path("api/deliveries/<int:delivery_id>/resend", webhooks.Resend.as_view()),
    path("api/export-formats", exports.Formats.as_view()),
    path("api/projects/<int:project_id>/exports", exports.Exports.as_view()),
    path("api/exports/<int:job_id>/download", exports.Download.as_view()),
    path(
        "api/schema/",
        SpectacularJSONAPIView.as_view(permission_classes=[SignedIn]),
        name="schema",
    ),
    # Its script is an address of its own, as no page of ours may run scripts that stand in it.
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(permission_classes=[SignedIn], url_name="schema"),
    ),
    re_path(r"^api/", no_such_address),
    path("admin/", site.urls),
    # Every other address is one of the single page's own.
    re_path(r"^(?!api/|admin/|static/|ws/)", pages.page),
]
