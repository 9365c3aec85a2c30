"""The six questions that a new installation answers from the start (A11); staff edit them afterwards."""

ENTRIES = [
    {
        "question": "パスワードを忘れました。どうすればよいですか。",
        "answer": "方法は2つあります。\n"
        "1. ログイン画面の「パスワードを忘れた場合」から、ご登録のEメールアドレスを入力してください。確認のメールに書かれたURLを開くと、"
        "新しいパスワードをもう1通のメールでお送りします。\n"
        "2. 同じ会社のほかのユーザが、「アカウント」の「ユーザ」であなたの「編集」を開き、新しいパスワードを設定できます。"
        "設定した人からパスワードを聞いてログインし、ご自分のパスワードに変更してください。",
        "question_en": "I forgot my password. What can I do?",
        "answer_en": "There are two ways.\n"
        "1. Open “Forgot your password?” on the sign-in page and enter your e-mail address. Follow the URL in the mail "
        "you get; a second mail then brings your new password.\n"
        "2. A colleague opens your entry under Account, Users, and sets a new password with Edit. Ask that colleague for it, "
        "sign in, and change it to your own.",
    },
    {
        "question": "ユーザ名を変更できますか。",
        "answer": "ユーザ名はご登録のEメールアドレスです。「アカウント」の「ユーザ」でEメールを変更すると、次のログインから新しいEメールがユーザ名になります。",
        "question_en": "Can I change my user name?",
        "answer_en": "Your user name is your e-mail address. Change the address under Account, Users; from the next sign-in on it "
        "is your user name.",
    },
    {
        "question": "請求書はいつからダウンロードできますか。",
        "answer": "月末の締めで請求金額が確定した後です。確定は月末から5営業日以内で、それまで請求詳細には「請求」ボタンが表示されません。",
        "question_en": "From when can I download an invoice?",
        "answer_en": "Once the month-end close has fixed the amount, within five business days after the month's end. Until then "
        "the invoice page has no download button.",
    },
    {
        "question": "過去の請求書も見られますか。",
        "answer": "はい。2016年5月以降の請求書は、何度でもダウンロードできます。請求一覧の「絞り込み」で請求対象年月を指定してください。",
        "question_en": "Can I see past invoices?",
        "answer_en": "Yes. Invoices since May 2016 can be downloaded any number of times. Filter the invoice list by month.",
    },
    {
        "question": "お知らせのメールは誰に届きますか。",
        "answer": "「ユーザ」の一覧で「メール送信先」に○が付いている1名に届きます。別のユーザでONにすると、送信先が切り替わります。",
        "question_en": "Who gets the mails?",
        "answer_en": "The one user marked ○ as mail recipient in the list of users. Switching the mark on for somebody else moves it.",
    },
    {
        "question": "今月で終わる契約は、手続きをしないとどうなりますか。",
        "answer": "更新区分が「自動更新」の契約は、お手続きなしで次の期間に更新されます。更新しない場合は「お問い合わせ」から解約をお申し込みください。",
        "question_en": "A contract ends this month. What happens if I do nothing?",
        "answer_en": "A contract that renews automatically goes on into its next term by itself. To end it, send an inquiry.",
    },
]


def add_first_questions(entries):
    """Store them where there are none yet; `entries` is the model, as a migration or the present has it."""
    if not entries.objects.exists():
        entries.objects.bulk_create(entries(position=place, **entry) for place, entry in enumerate(ENTRIES, start=1))
