"""Where a person may go: staff to the admin, a user with an initial password to the password change and nowhere else."""

from django.shortcuts import redirect

FOR_EVERYBODY = ("/logout/", "/language/", "/healthz", "/static/")


def own_place(get_response):
    """Sends people to their place before any view runs (A1: until the password is changed nothing else works)."""

    def answer(request):
        user = request.user
        if user.is_authenticated and not request.path_info.startswith(FOR_EVERYBODY):
            if user.must_change_password:
                if request.path_info != "/password/change/":
                    return redirect("password_change")
            elif user.customer_id is None and not request.path_info.startswith(("/admin/", "/password/change/")):
                return redirect("admin:index")
        return get_response(request)

    return answer
