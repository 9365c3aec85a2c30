"""Pages of sign-in and of the account: the way in (`signing`), what keeps it safe (`security`), the company and its people (`company`)."""

from accounts.views.company import (
    account,
    account_change,
    history_list,
    user_create,
    user_delete,
    user_detail,
    user_edit,
    user_list,
    user_send,
)
from accounts.views.security import (
    other_sessions_end,
    second_factor,
    second_factor_off,
    security,
)
from accounts.views.signing import (
    language,
    login,
    logout,
    password_change,
    password_reset,
    password_reset_confirm,
    second_step,
)

__all__ = [
    "account",
    "account_change",
    "history_list",
    "language",
    "login",
    "logout",
    "other_sessions_end",
    "password_change",
    "password_reset",
    "password_reset_confirm",
    "second_factor",
    "second_factor_off",
    "second_step",
    "security",
    "user_create",
    "user_delete",
    "user_detail",
    "user_edit",
    "user_list",
    "user_send",
]
