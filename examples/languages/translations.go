package main

import (
	"fmt"
	"net/http"
	"strings"
)

// language is a language that the app supports besides English.
type language struct {
	tag       string // RFC 5646
	direction string // of writing
	sentences map[string]string
}

// translate returns a sentence in the user's language, or in English.
func translate(r *http.Request, format string, args ...any) string {
	if translated, ok := languageOf(r).sentences[format]; ok {
		format = translated
	}
	return fmt.Sprintf(format, args...)
}

// languageOf returns the first language of the user's browser that the app
// has.
func languageOf(r *http.Request) language {
	for tag := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ = strings.Cut(strings.TrimSpace(tag), ";")
		primary, _, _ := strings.Cut(tag, "-")
		switch strings.ToLower(primary) {
		case "en":
			return english
		case "fr":
			return french
		case "ar":
			return arabic
		}
	}
	return english
}

var english = language{tag: "en", direction: "ltr"}

var french = language{"fr", "ltr", map[string]string{
	"en":        "fr",
	"Hello":     "Bonjour",
	"Hello, %s": "Bonjour, %s",

	"%s could not sign you in":    "%s n’a pas pu vous connecter",
	"%s is unavailable right now": "%s est indisponible pour le moment",
	"%s requires single sign-on or two-factor authentication of its members. Set it up on %s, then sign in again.": "%s exige de ses membres l’authentification unique ou à deux facteurs. Configurez-la sur %s, puis reconnectez-vous.",
	"%s returned an unexpected response": "%s a donné une réponse inattendue",
	"Back to the start page":             "Retour à l’accueil",
	"Close this tab":                     "Fermer cet onglet",
	"Complete sign-in in the tab that just opened. Didn't see it?": "Terminez la connexion dans l’onglet qui vient de s’ouvrir. Vous ne le voyez pas ?",
	"Continue": "Continuer",
	"If you started in another browser, continue there. Otherwise, sign in again.":             "Si vous avez commencé dans un autre navigateur, continuez là-bas. Sinon, reconnectez-vous.",
	"It is for members of %s with the role %s or higher.":                                      "Elle est réservée aux membres de %s ayant au moins le rôle %s.",
	"It is for members of %s with the role %s or higher. This app cannot see your role there.": "Elle est réservée aux membres de %s ayant au moins le rôle %s. Cette application ne voit pas votre rôle.",
	"It is for members of %s with the role %s.":                                                "Elle est réservée aux membres de %s ayant le rôle %s.",
	"It is for members of %s with the role %s. This app cannot see your role there.":           "Elle est réservée aux membres de %s ayant le rôle %s. Cette application ne voit pas votre rôle.",
	"It is for members of %s.": "Elle est réservée aux membres de %s.",
	"It is for members of %s. You are signed in as %s, who is not a member.": "Elle est réservée aux membres de %s. Vous êtes connecté en tant que %s, qui n’en est pas membre.",
	"It needs permissions that you have not granted to this app: %s.":        "Elle exige des autorisations que vous n’avez pas accordées à cette application : %s.",
	"It returned the error “%s”.":                                            "L’erreur renvoyée est « %s ».",
	"Nothing was changed.":                                                   "Rien n’a été modifié.",
	"Open it again.":                                                         "Rouvrez-le.",
	"Open it in a new tab.":                                                  "Ouvrez-la dans un nouvel onglet.",
	"Permission not granted":                                                 "Autorisation non accordée",
	"Remove the app from your connected applications on %s, sign in again, and select %s when you are asked.": "Retirez l’application de vos applications connectées sur %s, reconnectez-vous, et sélectionnez %s lorsque cela vous est demandé.",
	"Sign in again":                                      "Se reconnecter",
	"Sign in to view this page":                          "Connectez-vous pour voir cette page",
	"Sign in with %s":                                    "Se connecter avec %s",
	"Sign out":                                           "Se déconnecter",
	"Sign out?":                                          "Se déconnecter ?",
	"Sign-in cancelled":                                  "Connexion annulée",
	"Sign-in took too long. Try again.":                  "La connexion a pris trop de temps. Réessayez.",
	"Sign-in was cancelled.":                             "La connexion a été annulée.",
	"Signed out in this browser":                         "Déconnecté dans ce navigateur",
	"Something went wrong":                               "Une erreur s’est produite",
	"This request came from another site":                "Cette requête vient d’un autre site",
	"This sign-in link has expired or was already used":  "Ce lien de connexion a expiré ou a déjà été utilisé",
	"This sign-in link has expired or was already used.": "Ce lien de connexion a expiré ou a déjà été utilisé.",
	"To use another account, sign out on %s, then sign in again here.": "Pour utiliser un autre compte, déconnectez-vous sur %s, puis reconnectez-vous ici.",
	"Try again": "Réessayer",
	"Try again. If it happens again, contact the owner of this app.":                                         "Réessayez. Si cela se reproduit, contactez le responsable de cette application.",
	"Wait a moment, then try again.":                                                                         "Patientez un instant, puis réessayez.",
	"We can't check your sign-in right now":                                                                  "Nous ne pouvons pas vérifier votre connexion pour le moment",
	"We could not reach all servers. If you are still signed in elsewhere, sign out there in a few minutes.": "Tous les serveurs n’ont pas pu être joints. Si vous êtes encore connecté ailleurs, déconnectez-vous là-bas dans quelques minutes.",
	"We could not verify %s's response":                                                                      "Nous n’avons pas pu vérifier la réponse de %s",
	"You are already signed in":                                                                              "Vous êtes déjà connecté",
	"You are not signed in.":                                                                                 "Vous n’êtes pas connecté.",
	"You are signed in":                                                                                      "Vous êtes connecté",
	"You are signed out":                                                                                     "Vous êtes déconnecté",
	"You can close this tab and continue where you were.":                                                    "Vous pouvez fermer cet onglet et reprendre où vous en étiez.",
	"You did not authorize %s.":                                                                              "Vous n’avez pas autorisé %s.",
	"You did not authorize this app.":                                                                        "Vous n’avez pas autorisé cette application.",
	"You did not give %s the permission that it asked for. You are still signed in.":                         "Vous n’avez pas donné à %s l’autorisation demandée. Vous êtes toujours connecté.",
	"You did not give this app the permission that it asked for. You are still signed in.":                   "Vous n’avez pas donné à cette application l’autorisation demandée. Vous êtes toujours connecté.",
	"You do not have access to this page":                                                                    "Vous n’avez pas accès à cette page",
	"Your account does not have access.":                                                                     "Votre compte n’y a pas accès.",
	"Your browser does not let this page keep you signed in here.":                                           "Votre navigateur ne permet pas à cette page de vous garder connecté ici.",
	"Your connected applications on %s":                                                                      "Vos applications connectées sur %s",
}}

var arabic = language{"ar", "rtl", map[string]string{
	"en":        "ar",
	"Hello":     "مرحبًا",
	"Hello, %s": "مرحبًا، %s",

	"%s could not sign you in":    "تعذّر على %s تسجيل دخولك",
	"%s is unavailable right now": "%s غير متاح حاليًا",
	"%s requires single sign-on or two-factor authentication of its members. Set it up on %s, then sign in again.": "يشترط %s على أعضائه الدخول الموحّد أو المصادقة الثنائية. فعّلها على %s ثم سجّل الدخول من جديد.",
	"%s returned an unexpected response": "أعاد %s استجابة غير متوقعة",
	"Back to the start page":             "العودة إلى الصفحة الرئيسية",
	"Close this tab":                     "إغلاق علامة التبويب",
	"Complete sign-in in the tab that just opened. Didn't see it?": "أكمل تسجيل الدخول في علامة التبويب التي فُتحت للتو. ألا تراها؟",
	"Continue": "متابعة",
	"If you started in another browser, continue there. Otherwise, sign in again.":             "إذا بدأت في متصفح آخر فتابع هناك، وإلا فسجّل الدخول من جديد.",
	"It is for members of %s with the role %s or higher.":                                      "هي لأعضاء %s الذين لهم الدور %s أو أعلى.",
	"It is for members of %s with the role %s or higher. This app cannot see your role there.": "هي لأعضاء %s الذين لهم الدور %s أو أعلى. لا يستطيع هذا التطبيق رؤية دورك هناك.",
	"It is for members of %s with the role %s.":                                                "هي لأعضاء %s الذين لهم الدور %s.",
	"It is for members of %s with the role %s. This app cannot see your role there.":           "هي لأعضاء %s الذين لهم الدور %s. لا يستطيع هذا التطبيق رؤية دورك هناك.",
	"It is for members of %s.": "هي لأعضاء %s.",
	"It is for members of %s. You are signed in as %s, who is not a member.": "هي لأعضاء %s. أنت مسجّل الدخول باسم %s، وهذا الحساب ليس عضوًا.",
	"It needs permissions that you have not granted to this app: %s.":        "تتطلب أذونات لم تمنحها لهذا التطبيق: %s.",
	"It returned the error “%s”.":                                            "أعاد الخطأ «%s».",
	"Nothing was changed.":                                                   "لم يتغيّر شيء.",
	"Open it again.":                                                         "افتحها من جديد.",
	"Open it in a new tab.":                                                  "افتحها في علامة تبويب جديدة.",
	"Permission not granted":                                                 "لم يُمنح الإذن",
	"Remove the app from your connected applications on %s, sign in again, and select %s when you are asked.": "أزل التطبيق من تطبيقاتك المتصلة على %s، ثم سجّل الدخول من جديد واختر %s عندما يُطلب منك ذلك.",
	"Sign in again":                                      "تسجيل الدخول من جديد",
	"Sign in to view this page":                          "سجّل الدخول لعرض هذه الصفحة",
	"Sign in with %s":                                    "تسجيل الدخول عبر %s",
	"Sign out":                                           "تسجيل الخروج",
	"Sign out?":                                          "تسجيل الخروج؟",
	"Sign-in cancelled":                                  "أُلغي تسجيل الدخول",
	"Sign-in took too long. Try again.":                  "استغرق تسجيل الدخول وقتًا طويلًا. حاول مرة أخرى.",
	"Sign-in was cancelled.":                             "أُلغي تسجيل الدخول.",
	"Signed out in this browser":                         "سُجّل خروجك في هذا المتصفح",
	"Something went wrong":                               "حدث خطأ ما",
	"This request came from another site":                "جاء هذا الطلب من موقع آخر",
	"This sign-in link has expired or was already used":  "انتهت صلاحية رابط تسجيل الدخول هذا أو سبق استخدامه",
	"This sign-in link has expired or was already used.": "انتهت صلاحية رابط تسجيل الدخول هذا أو سبق استخدامه.",
	"To use another account, sign out on %s, then sign in again here.": "لاستخدام حساب آخر، سجّل الخروج من %s ثم سجّل الدخول هنا من جديد.",
	"Try again": "حاول مرة أخرى",
	"Try again. If it happens again, contact the owner of this app.":                                         "حاول مرة أخرى. إذا تكرر ذلك فتواصل مع مالك هذا التطبيق.",
	"Wait a moment, then try again.":                                                                         "انتظر لحظة ثم حاول مرة أخرى.",
	"We can't check your sign-in right now":                                                                  "لا يمكننا التحقق من تسجيل دخولك حاليًا",
	"We could not reach all servers. If you are still signed in elsewhere, sign out there in a few minutes.": "تعذّر الوصول إلى جميع الخوادم. إذا كنت لا تزال مسجّل الدخول في مكان آخر فسجّل الخروج هناك بعد بضع دقائق.",
	"We could not verify %s's response":                                                                      "تعذّر التحقق من استجابة %s",
	"You are already signed in":                                                                              "أنت مسجّل الدخول بالفعل",
	"You are not signed in.":                                                                                 "لم تسجّل الدخول.",
	"You are signed in":                                                                                      "سُجّل دخولك",
	"You are signed out":                                                                                     "سُجّل خروجك",
	"You can close this tab and continue where you were.":                                                    "يمكنك إغلاق علامة التبويب هذه والمتابعة من حيث كنت.",
	"You did not authorize %s.":                                                                              "لم تأذن لـ %s.",
	"You did not authorize this app.":                                                                        "لم تأذن لهذا التطبيق.",
	"You did not give %s the permission that it asked for. You are still signed in.":                         "لم تمنح %s الإذن الذي طلبه. ما زلت مسجّل الدخول.",
	"You did not give this app the permission that it asked for. You are still signed in.":                   "لم تمنح هذا التطبيق الإذن الذي طلبه. ما زلت مسجّل الدخول.",
	"You do not have access to this page":                                                                    "ليس لديك إذن بالوصول إلى هذه الصفحة",
	"Your account does not have access.":                                                                     "ليس لحسابك إذن بالوصول.",
	"Your browser does not let this page keep you signed in here.":                                           "لا يسمح متصفحك لهذه الصفحة بإبقائك مسجّل الدخول هنا.",
	"Your connected applications on %s":                                                                      "تطبيقاتك المتصلة على %s",
}}
