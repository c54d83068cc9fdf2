/*
 * The sentences themselves: what happened, then what the customer can do.  Formal address, no
 * blame, nothing that only the bank should know.
 */

#include "gateway/decline_texts.h"

#define OTHER_DE "verwenden Sie ein anderes Zahlungsmittel"
#define OTHER_ES "utilice otro medio de pago"
#define OTHER_FR "utiliser un autre moyen de paiement"

decline_sentence decline_says_general = {
    [DECLINE_ENGLISH] =
        "The card was declined. Please use another payment method or contact your bank.",
    [DECLINE_GERMAN] =
        "Die Karte wurde abgelehnt. Bitte " OTHER_DE " oder wenden Sie sich an Ihre Bank.",
    [DECLINE_SPANISH] =
        "La tarjeta ha sido rechazada. Por favor, " OTHER_ES " o póngase en contacto con su banco.",
    [DECLINE_FRENCH] = "La carte a été refusée. Veuillez " OTHER_FR " ou contacter votre banque.",
};

decline_sentence decline_says_bank = {
    [DECLINE_ENGLISH] =
        "The bank declined the payment. Please contact your bank or use another payment method.",
    [DECLINE_GERMAN] = "Die Bank hat die Zahlung abgelehnt. Bitte wenden Sie sich an Ihre Bank"
                       " oder " OTHER_DE ".",
    [DECLINE_SPANISH] = "El banco ha rechazado el pago. Por favor, póngase en contacto con su"
                        " banco o " OTHER_ES ".",
    [DECLINE_FRENCH] =
        "La banque a refusé le paiement. Veuillez contacter votre banque ou " OTHER_FR ".",
};

decline_sentence decline_says_passing = {
    [DECLINE_ENGLISH] =
        "The payment could not be processed right now. Please try again in a moment.",
    [DECLINE_GERMAN] = "Die Zahlung konnte gerade nicht ausgeführt werden. Bitte versuchen Sie es"
                       " gleich noch einmal.",
    [DECLINE_SPANISH] = "El pago no se ha podido procesar ahora. Por favor, inténtelo de nuevo"
                        " dentro de un momento.",
    [DECLINE_FRENCH] = "Le paiement n'a pas pu être traité pour le moment. Veuillez réessayer dans"
                       " un instant.",
};

decline_sentence decline_says_support = {
    [DECLINE_ENGLISH] = "The payment could not be made. Please contact support.",
    [DECLINE_GERMAN] = "Die Zahlung konnte nicht ausgeführt werden. Bitte wenden Sie sich an den"
                       " Kundendienst.",
    [DECLINE_SPANISH] = "No se ha podido realizar el pago. Por favor, póngase en contacto con"
                        " atención al cliente.",
    [DECLINE_FRENCH] =
        "Le paiement n'a pas pu être effectué. Veuillez contacter le service client.",
};

#define AGAIN_EN " Please enter the card again."
#define AGAIN_DE " Bitte geben Sie die Karte noch einmal ein."
#define AGAIN_ES " Por favor, vuelva a introducir la tarjeta."
#define AGAIN_FR " Veuillez saisir la carte à nouveau."

decline_sentence decline_says_number = {
    [DECLINE_ENGLISH] = "The card number is not right." AGAIN_EN,
    [DECLINE_GERMAN] = "Die Kartennummer stimmt nicht." AGAIN_DE,
    [DECLINE_SPANISH] = "El número de la tarjeta no es correcto." AGAIN_ES,
    [DECLINE_FRENCH] = "Le numéro de la carte n'est pas correct." AGAIN_FR,
};

decline_sentence decline_says_cvc = {
    [DECLINE_ENGLISH] = "The card's security code is not right." AGAIN_EN,
    [DECLINE_GERMAN] = "Der Sicherheitscode der Karte stimmt nicht." AGAIN_DE,
    [DECLINE_SPANISH] = "El código de seguridad de la tarjeta no es correcto." AGAIN_ES,
    [DECLINE_FRENCH] = "Le code de sécurité de la carte n'est pas correct." AGAIN_FR,
};

decline_sentence decline_says_expiry = {
    [DECLINE_ENGLISH] = "The card's expiry date is not right." AGAIN_EN,
    [DECLINE_GERMAN] = "Das Ablaufdatum der Karte stimmt nicht." AGAIN_DE,
    [DECLINE_SPANISH] = "La fecha de caducidad de la tarjeta no es correcta." AGAIN_ES,
    [DECLINE_FRENCH] = "La date d'expiration de la carte n'est pas correcte." AGAIN_FR,
};

decline_sentence decline_says_expired = {
    [DECLINE_ENGLISH] =
        "The card has expired. Please use another card or enter its new expiry date.",
    [DECLINE_GERMAN] = "Die Karte ist abgelaufen. Bitte verwenden Sie eine andere Karte oder geben"
                       " Sie das neue Ablaufdatum ein.",
    [DECLINE_SPANISH] = "La tarjeta ha caducado. Por favor, utilice otra tarjeta o introduzca la"
                        " nueva fecha de caducidad.",
    [DECLINE_FRENCH] = "La carte a expiré. Veuillez utiliser une autre carte ou saisir sa nouvelle"
                       " date d'expiration.",
};

decline_sentence decline_says_postcode = {
    [DECLINE_ENGLISH] = "The postal code is not right." AGAIN_EN,
    [DECLINE_GERMAN] = "Die Postleitzahl stimmt nicht." AGAIN_DE,
    [DECLINE_SPANISH] = "El código postal no es correcto." AGAIN_ES,
    [DECLINE_FRENCH] = "Le code postal n'est pas correct." AGAIN_FR,
};

decline_sentence decline_says_pin = {
    [DECLINE_ENGLISH] = "The PIN is not right." AGAIN_EN,
    [DECLINE_GERMAN] = "Die PIN stimmt nicht." AGAIN_DE,
    [DECLINE_SPANISH] = "El PIN no es correcto." AGAIN_ES,
    [DECLINE_FRENCH] = "Le code PIN n'est pas correct." AGAIN_FR,
};

decline_sentence decline_says_funds = {
    [DECLINE_ENGLISH] =
        "There is not enough money on the account. Please use another payment method.",
    [DECLINE_GERMAN] = "Das Konto ist nicht ausreichend gedeckt. Bitte " OTHER_DE ".",
    [DECLINE_SPANISH] = "La cuenta no tiene saldo suficiente. Por favor, " OTHER_ES ".",
    [DECLINE_FRENCH] = "Le solde du compte est insuffisant. Veuillez " OTHER_FR ".",
};

decline_sentence decline_says_limit = {
    [DECLINE_ENGLISH] =
        "The card's limit is reached. Please try again later or use another payment method.",
    [DECLINE_GERMAN] = "Das Limit der Karte ist erreicht. Bitte versuchen Sie es später noch"
                       " einmal oder " OTHER_DE ".",
    [DECLINE_SPANISH] = "Se ha alcanzado el límite de la tarjeta. Por favor, inténtelo más tarde"
                        " o " OTHER_ES ".",
    [DECLINE_FRENCH] = "Le plafond de la carte est atteint. Veuillez réessayer plus tard"
                       " ou " OTHER_FR ".",
};

decline_sentence decline_says_kind = {
    [DECLINE_ENGLISH] =
        "This card cannot be used for this payment. Please use another payment method.",
    [DECLINE_GERMAN] =
        "Diese Karte kann für diese Zahlung nicht verwendet werden. Bitte " OTHER_DE ".",
    [DECLINE_SPANISH] =
        "Esta tarjeta no se puede utilizar para este pago. Por favor, " OTHER_ES ".",
    [DECLINE_FRENCH] =
        "Cette carte ne peut pas être utilisée pour ce paiement. Veuillez " OTHER_FR ".",
};

decline_sentence decline_says_currency = {
    [DECLINE_ENGLISH] =
        "This card does not support the currency. Please use another payment method.",
    [DECLINE_GERMAN] = "Diese Karte unterstützt die Währung nicht. Bitte " OTHER_DE ".",
    [DECLINE_SPANISH] = "Esta tarjeta no admite la moneda. Por favor, " OTHER_ES ".",
    [DECLINE_FRENCH] = "Cette carte n'accepte pas la devise. Veuillez " OTHER_FR ".",
};

decline_sentence decline_says_confirm = {
    [DECLINE_ENGLISH] = "The bank asks you to confirm the payment. Please authenticate it.",
    [DECLINE_GERMAN] = "Die Bank bittet Sie, die Zahlung zu bestätigen. Bitte geben Sie sie frei.",
    [DECLINE_SPANISH] = "El banco le pide que confirme el pago. Por favor, autentíquelo.",
    [DECLINE_FRENCH] =
        "La banque vous demande de confirmer le paiement. Veuillez vous authentifier.",
};

decline_sentence decline_says_renewed = {
    [DECLINE_ENGLISH] = "The card's data has changed." AGAIN_EN,
    [DECLINE_GERMAN] = "Die Daten der Karte haben sich geändert." AGAIN_DE,
    [DECLINE_SPANISH] = "Los datos de la tarjeta han cambiado." AGAIN_ES,
    [DECLINE_FRENCH] = "Les données de la carte ont changé." AGAIN_FR,
};
